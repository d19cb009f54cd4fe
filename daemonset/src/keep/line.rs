//! What is going on between the keeper and one server.

use std::time::Duration;

use esi_client::Dice;
use esi_core::Classify as _;
use tokio::time::Instant;

use super::error::SendError;
use super::port::Reported;
use super::schedule;

/// One kind of call: never two at once.
#[derive(Debug)]
pub(super) struct Turns {
    /// When it comes next; `None` if there is nothing to say.
    at: Option<Instant>,
    failures: u32,
    runs: bool,
}

impl Turns {
    fn new(at: Option<Instant>) -> Self {
        Self {
            at,
            failures: 0,
            runs: false,
        }
    }

    /// When it is to begin.
    pub(super) fn due(&self) -> Option<Instant> {
        self.at.filter(|_at| !self.runs)
    }

    /// Whether it is to begin now; then it has begun.
    pub(super) fn begin(&mut self, now: Instant) -> bool {
        let is_due = self.due().is_some_and(|at| at <= now);
        self.runs |= is_due;
        is_due
    }

    /// There is something to say: at once, unless a later time is set. Whether it is to begin now; then it has begun.
    pub(super) fn wants(&mut self, now: Instant) -> bool {
        self.at.get_or_insert(now);
        self.begin(now)
    }

    /// There is nothing to say.
    pub(super) fn has_nothing(&mut self) {
        self.at = None;
    }

    fn end(&mut self, failed: bool, next: Option<Instant>) {
        self.runs = false;
        self.failures = if failed {
            self.failures.saturating_add(1)
        } else {
            0
        };
        self.at = next;
    }
}

/// One server.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) reports: Turns,
    pub(super) releases: Turns,
    /// Why it did not take the last report.
    pub(super) problem: Option<String>,
}

impl Line {
    /// Reports at once: what the volumes show is to be acknowledged.
    pub(super) fn new(now: Instant) -> Self {
        Self {
            reports: Turns::new(Some(now)),
            releases: Turns::new(None),
            problem: None,
        }
    }

    /// Nothing of it is running.
    pub(super) fn is_idle(&self) -> bool {
        !self.reports.runs && !self.releases.runs
    }

    /// The next of the times at which something is to begin.
    pub(super) fn due(&self) -> Option<Instant> {
        [self.reports.due(), self.releases.due()]
            .into_iter()
            .flatten()
            .min()
    }

    pub(super) fn reported(&mut self, reported: &Reported, now: Instant) {
        let failures = self.reports.failures.saturating_add(1);
        let dice = Dice::throw();
        let wait = match &reported.error {
            None => schedule::report_in(reported.report_in, dice),
            Some(error) => schedule::wait_to_report(error.retry(), failures, dice),
        };
        self.problem = reported.error.as_ref().map(ToString::to_string);
        self.reports.end(reported.error.is_some(), after(now, wait));
    }

    /// What is left of the queue, or was added meanwhile, is found by the next look through the records.
    pub(super) fn released(&mut self, released: &Result<(), SendError>, now: Instant) {
        let failures = self.releases.failures.saturating_add(1);
        let next = match released {
            Ok(()) => None,
            Err(error) => after(now, schedule::wait(error.retry(), failures, Dice::throw())),
        };
        self.releases.end(released.is_err(), next);
    }
}

/// In a span that is never too long to be added.
pub(super) fn after(now: Instant, span: Duration) -> Option<Instant> {
    now.checked_add(span)
}
