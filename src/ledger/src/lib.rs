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
pub mod port;
pub mod sqlite;
mod state;
mod words;

pub use error::StoreError;
pub use sqlite::SqliteStore;
