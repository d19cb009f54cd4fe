//! What time alone decides, and when it does.

use std::time::Duration;

use esi_core::Timestamp;

use super::record::Record;
use crate::port::{EndReason, State, Work};

/// Shortest time between two renewals: a backend that grants less and less near its maximum is not asked in an
/// ever tighter loop.
const MIN_RENEWAL: Duration = Duration::from_secs(1);
/// Shortest time between two sweeps of one intent.
const MIN_SWEEP: Duration = Duration::from_secs(2);
/// Longest time between two sweeps of one intent: what landed late lives no longer than this unnoticed.
const MAX_SWEEP: Duration = Duration::from_secs(60);

impl Record {
    /// Applies what the time has decided; answers whether it changed anything.
    pub(crate) fn pass_time(&mut self, now: Timestamp) -> bool {
        let passed = |at: Option<Timestamp>| at.is_some_and(|at| at <= now);
        match self.lease.state {
            State::Intent if self.mint_deadline <= now => self.close(EndReason::MintFailed, now),
            State::Active if passed(self.lease.expires_at) => self.close(EndReason::Expired, now),
            State::Active if passed(self.overlap_until) => self.close(EndReason::Superseded, now),
            State::Intent
            | State::Active
            | State::Revoking
            | State::AccessEnded
            | State::Revoked
            | State::Sweeping
            | State::Abandoned
            | State::Dead => false,
        }
    }

    /// What a worker is to do now.
    pub(crate) fn work(&self, now: Timestamp) -> Option<Work> {
        let due = |at: Option<Timestamp>| at.is_some_and(|at| at <= now);
        match self.lease.state {
            State::Active => due(self.renew_due(now)).then_some(Work::Renew),
            State::Revoking | State::AccessEnded => due(self.work_due()).then_some(Work::Revoke),
            State::Sweeping => due(self.work_due()).then_some(Work::Sweep),
            State::Intent | State::Revoked | State::Abandoned | State::Dead => None,
        }
    }

    /// When time decides something about it next, or a worker is to act. `None` only if it is final or dead.
    pub(crate) fn next_due(&self, now: Timestamp) -> Option<Timestamp> {
        match self.lease.state {
            State::Intent => Some(self.mint_deadline),
            State::Active => [self.lease.expires_at, self.overlap_until, self.renew_due(now)]
                .into_iter()
                .flatten()
                .min(),
            State::Revoking | State::AccessEnded | State::Sweeping => self.work_due(),
            State::Revoked | State::Abandoned | State::Dead => None,
        }
    }

    fn work_due(&self) -> Option<Timestamp> {
        // `None` is less than any time: no claim hides nothing.
        self.work_at.max(self.held.map(|held| held.until))
    }

    /// A lease is renewed only while its workload is known to live, and not if it ends anyway before it expires.
    fn renew_due(&self, now: Timestamp) -> Option<Timestamp> {
        self.work_at?;
        let at = self.work_due()?;
        let alive = self.lease.alive_until? > at.max(now);
        let needed = self
            .overlap_until
            .is_none_or(|until| self.lease.expires_at < Some(until));
        (alive && needed && Some(at.max(now)) < self.lease.expires_at).then_some(at)
    }

    /// It was granted for so long, from now.
    pub(super) fn expire_in(
        &mut self,
        expires_in: Duration,
        max_expires_in: Option<Duration>,
        now: Timestamp,
    ) {
        let max = max_expires_in.map(|span| now + span);
        let granted = now + expires_in;
        self.lease.max_expires_at = max;
        self.lease.expires_at = Some(max.map_or(granted, |max| granted.min(max)));
    }

    /// When to renew what was granted just now: at half of its time, unless it cannot be prolonged.
    pub(super) fn renewal(&self, now: Timestamp) -> Option<Timestamp> {
        let expires_at = self.lease.expires_at?;
        let can = self.lease.renewable && self.lease.max_expires_at.is_none_or(|max| expires_at < max);
        let at = now + (expires_at.since(now) / 2).max(MIN_RENEWAL);
        (can && at < expires_at).then_some(at)
    }

    /// When to sweep again: ever more seldom, but once more when nothing can land any more.
    pub(super) fn next_sweep(&self, now: Timestamp) -> Timestamp {
        let age = self.ended_at.map_or(Duration::ZERO, |ended| now.since(ended));
        (now + age.clamp(MIN_SWEEP, MAX_SWEEP)).min(self.sweep_until.max(now))
    }
}
