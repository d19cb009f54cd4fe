//! What a store keeps of a lease.

use std::time::Duration;

use esi_core::{Ends, Generation, InstallationId, Intent, LeaseId, Timestamp};

use crate::error::StoreError;
use crate::port::{EndReason, Lease, NewLease, State};

/// One lease with what only the state machine needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Record {
    /// What everybody may see.
    pub(crate) lease: Lease,
    /// The mint has landed before this, or never.
    pub(crate) mint_deadline: Timestamp,
    /// Until then the backend may still bring to light what was minted.
    pub(crate) sweep_until: Timestamp,
    /// How long the generation before this one lives on once this one is acknowledged.
    pub(crate) overlap: Duration,
    /// A newer generation is in use: this one ends then.
    pub(crate) overlap_until: Option<Timestamp>,
    /// When it ended: from then on its revocation or sweep is due.
    pub(crate) ended_at: Option<Timestamp>,
    /// For how long it was issued: what a renewal asks for again.
    pub(crate) granted: Duration,
    /// When a worker is to act: renew an active lease, revoke or sweep an ended one.
    pub(crate) work_at: Option<Timestamp>,
    /// Grows with each claim, and whenever a claim is voided.
    pub(crate) fence: i64,
    /// The claim that is held now.
    pub(crate) held: Option<Held>,
}

/// A claim that has not been settled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Held {
    /// When it was made.
    pub(crate) at: Timestamp,
    /// Until when nobody else gets the lease.
    pub(crate) until: Timestamp,
}

/// Why an event does not apply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// See [`StoreError::Superseded`].
    Superseded,
    /// See [`StoreError::NotLive`].
    NotLive,
    /// See [`StoreError::ClaimLost`].
    ClaimLost,
}

impl From<Refusal> for StoreError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Superseded => Self::Superseded,
            Refusal::NotLive => Self::NotLive,
            Refusal::ClaimLost => Self::ClaimLost,
        }
    }
}

impl Record {
    /// A new intent.
    pub(crate) fn begin(
        new: NewLease,
        installation: InstallationId,
        generation: Generation,
        now: Timestamp,
    ) -> Self {
        let NewLease {
            key,
            owner,
            generator,
            request_id: _,
            mint_within,
            visibility_lag,
            overlap,
        } = new;
        let mint_deadline = now + mint_within;
        Self {
            lease: Lease {
                intent: Intent {
                    installation,
                    lease: LeaseId::at(now),
                },
                key,
                owner,
                generator,
                generation,
                state: State::Intent,
                acknowledged: false,
                rotation_asked: false,
                handle: None,
                // Until a backend says otherwise: an intent is only ever swept, which does not ask.
                ends: Ends::AtOnce,
                renewable: false,
                begun_at: now,
                issued_at: None,
                expires_at: None,
                max_expires_at: None,
                alive_until: None,
                end_reason: None,
                attempts: 0,
                last_error: None,
            },
            mint_deadline,
            sweep_until: mint_deadline + visibility_lag,
            overlap,
            overlap_until: None,
            ended_at: None,
            granted: Duration::ZERO,
            work_at: None,
            fence: 0,
            held: None,
        }
    }

    pub(crate) fn is_live(&self) -> bool {
        self.lease.state.is_live()
    }

    /// Ends what is live, at once; answers whether it was. Whatever a claim was made for is no longer to be done.
    pub(super) fn close(&mut self, reason: EndReason, now: Timestamp) -> bool {
        let state = match self.lease.state {
            State::Intent => State::Sweeping,
            State::Active => State::Revoking,
            State::Revoking
            | State::AccessEnded
            | State::Revoked
            | State::Sweeping
            | State::Abandoned
            | State::Dead => return false,
        };
        self.lease.end_reason = Some(reason);
        self.ended_at = Some(now);
        self.rework(state, now);
        true
    }

    /// There is other work to do than before, now.
    pub(super) fn rework(&mut self, state: State, now: Timestamp) {
        self.lease.state = state;
        self.lease.attempts = 0;
        self.lease.last_error = None;
        self.work_at = Some(now);
        self.fence += 1;
        self.held = None;
    }

    /// Nothing is left to be done.
    pub(super) fn finish(&mut self, state: State) {
        self.lease.state = state;
        self.lease.attempts = 0;
        self.lease.last_error = None;
        self.work_at = None;
        self.held = None;
    }
}
