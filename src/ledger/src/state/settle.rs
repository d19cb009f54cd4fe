//! Claims, and how the work on a lease ends.

use std::time::Duration;

use esi_core::{Ends, Timestamp};

use super::record::{Held, Record, Refusal};
use crate::port::{Claim, State};

impl Record {
    /// Gives the right to work on it, until then or until it is settled.
    pub(crate) fn claim(&mut self, claim_for: Duration, now: Timestamp) -> Claim {
        self.fence += 1;
        self.held = Some(Held {
            at: now,
            until: now + claim_for,
        });
        Claim {
            lease: self.lease.intent.lease,
            fence: self.fence,
        }
    }

    /// Takes back the right of whoever held it.
    pub(crate) fn release(&mut self) {
        self.fence += 1;
        self.held = None;
    }

    /// The claim, if it is the one that is held and the lease is in one of the states it can be about. A claim whose
    /// time is over still counts while nobody else has claimed the lease.
    fn held_by(&self, claim: Claim, states: &[State]) -> Result<Held, Refusal> {
        match self.held {
            Some(held) if claim.fence == self.fence && states.contains(&self.lease.state) => Ok(held),
            Some(_) | None => Err(Refusal::ClaimLost),
        }
    }

    /// The backend prolonged it.
    pub(crate) fn renewed(
        &mut self,
        claim: Claim,
        expires_in: Duration,
        max_expires_in: Option<Duration>,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        self.pass_time(now);
        self.held_by(claim, &[State::Active])?;
        // The maximum of the issue is an authorization's too, which no backend knows of: it never moves later.
        let granted_most = self.lease.max_expires_at.map(|at| at.since(now));
        let max_expires_in = [granted_most, max_expires_in].into_iter().flatten().min();
        self.expire_in(expires_in, max_expires_in, now);
        self.work_at = self.renewal(now);
        self.settle();
        Ok(())
    }

    /// The backend will not prolong it any more.
    pub(crate) fn not_renewable(&mut self, claim: Claim, now: Timestamp) -> Result<(), Refusal> {
        self.pass_time(now);
        self.held_by(claim, &[State::Active])?;
        self.lease.renewable = false;
        self.work_at = None;
        self.settle();
        Ok(())
    }

    /// Nobody can use it any more. The claim is held on: remains are still to be cleaned.
    pub(crate) fn access_ended(&mut self, claim: Claim) -> Result<(), Refusal> {
        self.held_by(claim, &[State::Revoking, State::AccessEnded, State::Sweeping])?;
        if self.lease.state == State::Revoking {
            self.lease.state = State::AccessEnded;
        }
        Ok(())
    }

    /// The backend has nothing of it any more, as far as could be seen.
    pub(crate) fn done(&mut self, claim: Claim, now: Timestamp) -> Result<(), Refusal> {
        let held = self.held_by(claim, &[State::Revoking, State::AccessEnded, State::Sweeping])?;
        let lives_on = self.lease.ends == Ends::AtExpiry && Some(now) < self.lease.expires_at;
        match self.lease.state {
            State::Revoking if lives_on => {
                self.work_at = self.lease.expires_at;
                self.settle();
            }
            // A sweep that began before nothing could land any more may have missed what landed meanwhile.
            State::Sweeping if held.at < self.sweep_until => {
                self.work_at = Some(self.next_sweep(now));
                self.settle();
            }
            State::Sweeping => self.finish(State::Abandoned),
            State::Intent
            | State::Active
            | State::Revoking
            | State::AccessEnded
            | State::Revoked
            | State::Abandoned
            | State::Dead => self.finish(State::Revoked),
        }
        Ok(())
    }

    /// The attempt failed.
    pub(crate) fn retry_later(
        &mut self,
        claim: Claim,
        at: Timestamp,
        error: &str,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        self.pass_time(now);
        let states = [
            State::Active,
            State::Revoking,
            State::AccessEnded,
            State::Sweeping,
        ];
        self.held_by(claim, &states)?;
        self.fail(error);
        self.work_at = Some(at);
        self.held = None;
        Ok(())
    }

    /// No attempt can succeed without a person.
    pub(crate) fn dead(&mut self, claim: Claim, error: &str) -> Result<(), Refusal> {
        self.held_by(claim, &[State::Revoking, State::AccessEnded, State::Sweeping])?;
        self.fail(error);
        self.lease.state = State::Dead;
        self.work_at = None;
        self.held = None;
        Ok(())
    }

    /// A person asks for another attempt; answers whether it was dead.
    pub(crate) fn revive(&mut self, now: Timestamp) -> bool {
        let dead = self.lease.state == State::Dead;
        if dead {
            let minted = self.lease.issued_at.is_some();
            self.rework(if minted { State::Revoking } else { State::Sweeping }, now);
        }
        dead
    }

    fn settle(&mut self) {
        self.lease.attempts = 0;
        self.lease.last_error = None;
        self.held = None;
    }

    fn fail(&mut self, error: &str) {
        self.lease.attempts = self.lease.attempts.saturating_add(1);
        self.lease.last_error = Some(error.to_owned());
    }
}
