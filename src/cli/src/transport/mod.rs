//! Calls to a federation server: TLS against the one CA given, a fresh token for each attempt, bounded retries.
//!
//! ```text
//!  Client.issue ──▶ call: attempt ──▶ token ─▶ channel ──▶ server
//!                     ▲    │ failed                │
//!                     │    ▼                       ▼
//!                     └── schedule (pure): wait ◀── status, retry-after     or: give up
//! ```
//!
//! Invariants: a token is shown only over TLS, and only to the server it is for; every retry of a call carries
//! the same message, request id included; no call outlives its budget.

mod call;
mod channel;
mod client;
mod error;
mod schedule;

pub(crate) use call::Budget;
pub(crate) use client::{Client, Issued, Report, Verdict};
pub(crate) use error::{CallError, ConnectError};
