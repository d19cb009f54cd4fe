//! How many lines a log has of what anybody can cause.
//!
//! A line for each would let strangers fill the log's disk and hide what matters. So of each reason a few lines are
//! written at a time, and the next one after that says how many were left out; metrics count them all.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Lines of one reason in one window: enough to see who is concerned, and 2 lines a second at most.
const LINES: u32 = 20;
const WINDOW: Duration = Duration::from_secs(10);
/// Reasons that are remembered. More only after many came and went; then those whose window is over are forgotten.
const MAX_REASONS: usize = 1024;

/// Decides which lines are written. A reason is what makes lines alike.
#[derive(Debug)]
pub struct LogQuota<Reason>(Mutex<BTreeMap<Reason, Window>>);

#[derive(Debug)]
struct Window {
    since: Instant,
    lines: u32,
    left_out: u64,
}

impl<Reason> Default for LogQuota<Reason> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<Reason: Ord> LogQuota<Reason> {
    /// Whether there is a line for this one, and how many went without since the last.
    pub fn admit(&self, reason: Reason) -> Option<u64> {
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

#[cfg(test)]
mod tests {
    use super::*;

    /// The lines of `calls` refusals, each with the number of those before it that had none.
    fn flood(quota: &LogQuota<u32>, reason: u32, calls: u32) -> Vec<u64> {
        (0..calls).filter_map(|_| quota.admit(reason)).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn a_flood_of_one_reason_has_a_few_lines_and_then_their_number() {
        let quota = LogQuota::default();
        assert_eq!(flood(&quota, 1, 10_000), [0; 20]);
        tokio::time::advance(Duration::from_millis(9_999)).await;
        assert!(flood(&quota, 1, 1).is_empty());
        tokio::time::advance(Duration::from_millis(1)).await;
        assert_eq!(flood(&quota, 1, 2), [9_981, 0]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_flood_of_one_reason_hides_no_other() {
        let quota = LogQuota::default();
        flood(&quota, 1, 100);
        assert_eq!(flood(&quota, 2, 1), [0]);
    }

    #[tokio::test(start_paused = true)]
    async fn reasons_that_are_over_are_forgotten() {
        let quota = LogQuota::default();
        let known = || quota.0.lock().unwrap().len();
        for reason in 0..1024 {
            quota.admit(reason);
        }
        assert_eq!(known(), MAX_REASONS);
        tokio::time::advance(WINDOW).await;
        quota.admit(1024);
        assert_eq!(known(), 1);
    }
}
