//! The life of a lease as pure functions: a record, an event and the time in; the changed record or a refusal out.
//!
//! ```text
//!  mint    record, activate, abandon             Intent ──▶ Active, or ──▶ Sweeping
//!  life    acknowledge, in use, rotation asked, end, supersede   Active ──▶ Revoking
//!  time    expiry, deadlines, overlaps           Intent, Active ──▶ Sweeping, Revoking
//!  settle  claims and how they end               Revoking ──▶ AccessEnded ──▶ Revoked, Dead ──▶ Revoking
//! ```
//!
//! A store loads a [`Record`], calls one of these inside a transaction, and saves what came out, *also when it was a
//! refusal*: a handle that arrives too late is recorded although its caller is refused.
//!
//! Invariants: a lease that is not live never becomes so again; what is neither final nor dead has a time at which
//! it is due ([`Record::next_due`]); whatever changes what is to be done to a lease fences out the claim on it.

mod life;
mod mint;
mod record;
mod settle;
mod time;

#[cfg(test)]
mod tests;

pub(crate) use life::supersede;
pub(crate) use record::{Held, Record, Refusal};
