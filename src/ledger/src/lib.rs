//! The ledger: the durable record of every lease, and the worker that ends them.
//!
//! ```text
//!  server ──begin, activate, end──▶ port::Store ◀──claim, settle── worker ──▶ worker::Backend
//!                                       │
//!                              sqlite (state: the rules, pure)
//! ```

#[cfg(test)]
mod conformance;
mod error;
mod metrics;
pub mod port;
pub mod sqlite;
mod state;
mod words;
pub mod worker;

pub use error::StoreError;
pub use metrics::Metrics;
pub use sqlite::SqliteStore;
