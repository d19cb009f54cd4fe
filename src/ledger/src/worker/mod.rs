//! The worker: renews leases whose workloads live, ends those whose time has come, and sweeps what was given up.
//!
//! ```text
//!  server ──Waker──▶ worker ──claim──▶ Store          one loop owns the schedule
//!                      │ │
//!                      │ └──attempt──▶ Backend        at most `concurrency`, and `per_generator` of each
//!                      └──settle──▶ Store             done, renewed, retry later, dead
//! ```
//!
//! Invariants: nothing is done without a claim, and a claim outlasts the attempt's deadline, so that no two workers
//! do the same at once; a backend that hangs, fails or panics costs its own slots and delays nobody else; an attempt
//! that is lost (a crash, a store that cannot be written) is repeated when its claim is over. Schedules follow the
//! store's time, so a jump of the wall clock moves none.

mod attempt;
mod backend;
mod backoff;
mod config;
mod report;
mod run;
mod waker;

#[cfg(test)]
mod tests;

pub use backend::{Backend, BackendFailure, Progress, Renewal};
pub use config::WorkerConfig;
pub use run::Worker;
pub use waker::Waker;
