//! What happens to volumes after their publish: reported, rotated, released.
//!
//! ```text
//!  volume ──fresh, gone──▶ Inbox ──▶ Keeper ◀── records (the volumes' own; the durable queue of releases too)
//!  (never waits)                     │ owns what is only in memory: tokens, verdicts, times
//!                                    ├─ every 30 s, per server: report ──▶ KEEP | ROTATE | UNKNOWN ──▶ judge
//!                                    ├─ rotate: issue by the pod's token ─▶ write ─▶ record ─▶ acknowledge
//!                                    ├─ release: what ended ──▶ the server has it ──▶ the record is deleted
//!                                    └─ Events: what the pod's author should know
//! ```
//!
//! Invariants: a server that is down changes nothing but the metrics; one volume is rotated by one job at a time, with
//! the volume's turn, and what it showed stays until its successor is whole; a release is repeated until the server has
//! it, and survives a restart because it is a record; nobody waits for the keeper.

mod channel;
mod error;
mod events;
mod judge;
mod keeper;
mod known;
mod line;
mod node;
mod port;
mod schedule;
#[cfg(test)]
mod tests;

pub use channel::{Inbox, Told, channel};
pub use error::{RotateError, SendError};
pub use events::{Events, Reason};
pub use keeper::Keeper;
pub use node::Node;
pub use port::{Reported, World};
