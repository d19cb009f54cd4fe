//! From the intent to the active lease.

use esi_core::{Handle, Timestamp};

use super::record::{Record, Refusal};
use crate::port::{Activation, EndReason, State};

impl Record {
    /// The backend is about to make, or has made, what `handle` names.
    pub(crate) fn record_handle(&mut self, handle: Handle, now: Timestamp) -> Result<(), Refusal> {
        self.pass_time(now);
        match self.lease.state {
            State::Intent => {
                self.lease.handle = Some(handle);
                Ok(())
            }
            State::Sweeping | State::Abandoned => {
                self.lease.handle = Some(handle);
                self.rework(State::Sweeping, now);
                Err(Refusal::Superseded)
            }
            // It was activated, so its minter has finished: this handle is none of its own.
            State::Active | State::Revoking | State::AccessEnded | State::Revoked | State::Dead => {
                Err(Refusal::Superseded)
            }
        }
    }

    /// The mint has landed.
    pub(crate) fn activate(&mut self, activation: Activation, now: Timestamp) -> Result<(), Refusal> {
        self.pass_time(now);
        let again = self.lease.issued_at.is_some() && self.lease.handle.as_ref() == Some(&activation.handle);
        match self.lease.state {
            State::Intent => {
                let acknowledged = activation.acknowledged;
                self.issue(activation, now);
                self.lease.state = State::Active;
                self.lease.acknowledged = acknowledged;
                self.work_at = self.renewal(now);
                Ok(())
            }
            State::Active if again => Ok(()),
            State::Active => Err(Refusal::Superseded),
            State::Revoking | State::AccessEnded | State::Revoked | State::Dead if again => {
                Err(Refusal::Superseded)
            }
            // Now it is known that there is something to revoke, and until when it can live.
            State::Sweeping
            | State::Abandoned
            | State::Revoking
            | State::AccessEnded
            | State::Revoked
            | State::Dead => {
                self.issue(activation, now);
                self.rework(State::Revoking, now);
                Err(Refusal::Superseded)
            }
        }
    }

    fn issue(&mut self, activation: Activation, now: Timestamp) {
        let Activation {
            handle,
            expires_in,
            max_expires_in,
            renewable,
            ends,
            acknowledged: _,
        } = activation;
        self.lease.handle = Some(handle);
        self.lease.ends = ends;
        self.lease.renewable = renewable;
        self.lease.issued_at = Some(now);
        self.granted = expires_in;
        self.expire_in(expires_in, max_expires_in, now);
    }

    /// The mint failed. What it may have left is swept.
    pub(crate) fn abandon(&mut self, now: Timestamp) {
        if self.lease.state == State::Intent {
            self.close(EndReason::MintFailed, now);
        }
    }
}
