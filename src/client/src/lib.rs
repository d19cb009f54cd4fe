//! Calls to a federation server: TLS against the one CA given, the caller's token, bounded retries.
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

mod answer;
mod call;
mod channel;
mod client;
mod dice;
mod error;
mod node;
mod read;
mod schedule;
mod servers;
#[cfg(feature = "testing")]
#[expect(clippy::unwrap_used, reason = "what fails here is a test")]
pub mod testing;
mod token;

pub use answer::{Action, Issued, Report, Verdict};
pub use call::Budget;
pub use client::Client;
pub use dice::Dice;
pub use error::{AnswerError, AttemptError, CallError, ConnectError};
pub use node::{Gone, Shown};
pub use read::read_bounded;
pub use servers::{MAX_SERVERS_BYTES, Server, ServerAt, ServerError, read_ca, read_servers, read_url};
pub use token::{Token, TokenError, TokenSource};
