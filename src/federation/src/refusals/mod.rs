//! What the log says of refused calls.
//!
//! Anybody may call, with any token: a line for each would let strangers fill the log's disk and hide what matters.
//! So of each reason a few lines are written at a time, and the next one after that says how many were left out. All
//! are counted in `esi_calls_total`.
//!
//! What the caller can mend (its token, its plan, its rights) is information; what only an operator can (a manifest, a
//! backend, the ledger) is a warning, and a reason of its own for each generator, so that none hides another.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use esi_core::names::GeneratorRef;
use esi_core::{Classify, Code, Workload, chain};
use tokio::time::Instant;

/// Lines of one reason in one window: enough to see who is concerned, and 2 lines a second at most.
const LINES: u32 = 20;
const WINDOW: Duration = Duration::from_secs(10);
/// Reasons that are remembered: kinds of errors, and those of the catalog's generators. More only after many
/// generators came and went; then those whose window is over are forgotten.
const MAX_REASONS: usize = 1024;

/// Writes refusals to the log.
#[derive(Debug, Default)]
pub struct Refusals(Mutex<BTreeMap<Reason, Window>>);

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Reason {
    kind: &'static str,
    /// Where an operator is to act.
    generator: Option<GeneratorRef>,
}

#[derive(Debug)]
struct Window {
    since: Instant,
    lines: u32,
    left_out: u64,
}

impl Refusals {
    /// A call was refused; an issue's refusal also says of what and for whom.
    pub fn tell(&self, error: &dyn Classify, issue: Option<(&GeneratorRef, &Workload)>) {
        let (generator, workload) = issue.unzip();
        let warn = is_for_the_operator(error.code(), generator.is_some());
        let reason = Reason {
            kind: error.kind(),
            generator: generator.filter(|_| warn).cloned(),
        };
        let Some(left_out) = self.admit(reason) else {
            return;
        };
        // Said only where there is something to say.
        let left_out = (left_out > 0).then_some(left_out);
        let (kind, error) = (error.kind(), chain(error));
        let generator = generator.map(tracing::field::display);
        let workload = workload.map(tracing::field::display);
        if warn {
            tracing::warn!(event = "refused", kind, error, generator, workload, left_out);
        } else {
            tracing::info!(event = "refused", kind, error, generator, workload, left_out);
        }
    }

    /// Whether there is a line for this one, and how many went without since the last.
    fn admit(&self, reason: Reason) -> Option<u64> {
        let now = Instant::now();
        let mut windows = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if windows.len() >= MAX_REASONS && !windows.contains_key(&reason) {
            windows.retain(|_, window| !window.is_over(now));
        }
        let window = windows.entry(reason).or_insert(Window {
            since: now,
            lines: 0,
            left_out: 0,
        });
        let admitted = window.admit(now);
        drop(windows);
        admitted
    }
}

impl Window {
    fn is_over(&self, now: Instant) -> bool {
        now.duration_since(self.since) >= WINDOW
    }

    fn admit(&mut self, now: Instant) -> Option<u64> {
        if self.is_over(now) {
            (self.since, self.lines) = (now, 0);
        }
        if self.lines >= LINES {
            self.left_out += 1;
            return None;
        }
        self.lines += 1;
        Some(std::mem::take(&mut self.left_out))
    }
}

fn is_for_the_operator(code: Code, of_an_issue: bool) -> bool {
    match code {
        Code::Unavailable | Code::DeadlineExceeded | Code::ResourceExhausted | Code::Internal => true,
        // Of an issue: the manifest or the backend's own rights. Of another call: the caller was late.
        Code::FailedPrecondition => of_an_issue,
        Code::InvalidArgument
        | Code::Unauthenticated
        | Code::PermissionDenied
        | Code::NotFound
        | Code::Aborted
        | Code::Unimplemented => false,
    }
}
