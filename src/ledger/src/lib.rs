//! The ledger: the durable record of every lease, and the worker that ends them.

mod error;
pub mod port;

pub use error::StoreError;
