//! Generators: one module per kind of backend, behind one port.
//!
//! ```text
//!  catalog ──build──▶ dyn Generator ──issue──▶ Issued { credential, handle, … }
//!                                   ──renew──▶ Renewed
//!                                   ──revoke─▶ (progress: access ended) done
//! ```
//!
//! Invariants: nothing here decides who may have what, and nothing here remembers a lease: that is the
//! ledger's. Every call to a backend has a deadline.

mod build;
mod error;
mod local;
mod port;
mod postgresql;
mod random;
mod vault;

pub use build::{Generators, Secrets};
pub use error::GeneratorError;
pub use port::{Generator, IssueContext, Issued, Nature, Progress, RecordError, Recorder, Renewed};
