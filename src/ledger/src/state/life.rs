//! What happens to the generations of a binding while they live.

use esi_core::Timestamp;

use super::record::{Record, Refusal};
use crate::port::{EndReason, State};

impl Record {
    /// Its receiver shows it. Answers whether that is news.
    pub(crate) fn acknowledge(&mut self, now: Timestamp) -> Result<bool, Refusal> {
        self.pass_time(now);
        if self.lease.state != State::Active {
            return Err(Refusal::NotLive);
        }
        Ok(!std::mem::replace(&mut self.lease.acknowledged, true))
    }

    /// `newer` is in use: this one ends after the overlap.
    pub(crate) fn overlap_with(&mut self, newer: &Self, now: Timestamp) {
        if self.lease.generation < newer.lease.generation {
            let until = now + newer.overlap;
            self.overlap_until = Some(self.overlap_until.map_or(until, |earlier| earlier.min(until)));
            self.pass_time(now);
        }
    }

    /// Its workload is known to live until then.
    pub(crate) fn alive(&mut self, until: Timestamp) {
        self.lease.alive_until = self.lease.alive_until.max(Some(until));
    }

    /// A newer one is wanted in its place; answers whether it can be told to anybody. An intent is as new as can be.
    pub(crate) fn ask_rotation(&mut self, now: Timestamp) -> bool {
        self.pass_time(now);
        let active = self.lease.state == State::Active;
        self.lease.rotation_asked |= active;
        active
    }

    /// Ends it if it is live; answers whether it was.
    pub(crate) fn end(&mut self, reason: EndReason, now: Timestamp) -> bool {
        self.pass_time(now);
        self.close(reason, now)
    }
}

/// A newer generation is begun: of these live ones of its binding, newest first, all are ended but the last
/// acknowledged.
pub(crate) fn supersede(live: &mut [Record], now: Timestamp) {
    let mut kept = false;
    for record in live {
        record.pass_time(now);
        let keep = record.lease.state == State::Active && record.lease.acknowledged && !kept;
        if keep {
            kept = true;
        } else {
            record.close(EndReason::Superseded, now);
        }
    }
}
