//! The federation server: the one who decides, mints and revokes.
//!
//! ```text
//!  grpc ──▶ authenticate ──▶ authorise ──▶ issue ──▶ ledger + generators ──▶ grpc
//!                          operator ──▶ list, rotate ──▶ ledger
//!                             agent ──▶ report, release, revoke ──▶ ledger
//!                                        worker (ledger) ──▶ renewals, revocations at the generators
//! ```
//!
//! One straight line; no step calls back up, and nothing else mints.

pub mod agent;
pub mod app;
pub mod args;
pub mod authenticate;
pub mod authorise;
pub mod backends;
pub mod dev;
pub mod grpc;
pub mod issue;
pub mod metrics;
pub mod operator;
pub mod refusals;
pub mod release;
pub mod report;
#[cfg(test)]
mod testing;
mod worker;
