//! What is counted about leases.
//!
//! Names carry no prefix: the program's registry has one. Labels come from closed sets.

use std::sync::atomic::AtomicU64;
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use crate::port::{Counts, Work};

/// Seconds from the end of a lease until nobody can use it any more: a local backend takes milliseconds, the budget
/// is two seconds, an outage takes hours.
const LAG_BUCKETS: [f64; 12] = [
    0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 30.0, 300.0, 3600.0, 86400.0,
];

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StateLabel {
    state: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct AttemptLabel {
    work: &'static str,
    result: &'static str,
}

/// The metrics of one ledger and its worker. Clones share them; an unregistered one counts for nobody.
#[derive(Debug, Clone)]
pub struct Metrics {
    leases: Family<StateLabel, Gauge>,
    attempts: Family<AttemptLabel, Counter>,
    revoke_lag: Histogram,
    due_age: Gauge<f64, AtomicU64>,
    store_errors: Counter,
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            leases: Family::default(),
            attempts: Family::default(),
            revoke_lag: Histogram::new(LAG_BUCKETS),
            due_age: Gauge::default(),
            store_errors: Counter::default(),
        }
    }
}

impl Metrics {
    /// Creates them and makes them known to the registry.
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        let Self {
            leases,
            attempts,
            revoke_lag,
            due_age,
            store_errors,
        } = metrics.clone();
        registry.register("leases", "Leases, by state", leases);
        registry.register(
            "lease_attempts",
            "Renewals, revocations and sweeps tried, by result",
            attempts,
        );
        registry.register_with_unit(
            "lease_revoke_lag",
            "Time from the end of a lease until nobody can use it any more",
            Unit::Seconds,
            revoke_lag,
        );
        registry.register_with_unit(
            "lease_due_age",
            "How late the oldest work was when it was last taken up; 0 if none was waiting",
            Unit::Seconds,
            due_age,
        );
        registry.register(
            "lease_worker_store_errors",
            "Times the ledger could not tell the worker what is due",
            store_errors,
        );
        metrics
    }

    pub(crate) fn count_leases(&self, counts: &Counts) {
        for (state, number) in counts {
            let state = state.as_str();
            self.leases
                .get_or_create(&StateLabel { state })
                .set(i64::try_from(*number).unwrap_or(i64::MAX));
        }
    }

    pub(crate) fn count_attempt(&self, work: Work, result: &'static str) {
        let work = work.as_str();
        self.attempts.get_or_create(&AttemptLabel { work, result }).inc();
    }

    pub(crate) fn observe_revoke_lag(&self, lag: Duration) {
        self.revoke_lag.observe(lag.as_secs_f64());
    }

    pub(crate) fn set_due_age(&self, age: Duration) {
        self.due_age.set(age.as_secs_f64());
    }

    pub(crate) fn count_store_error(&self) {
        self.store_errors.inc();
    }

    #[cfg(test)]
    pub(crate) fn attempts(&self, work: Work, result: &'static str) -> u64 {
        let work = work.as_str();
        self.attempts.get_or_create(&AttemptLabel { work, result }).get()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::port::State;

    #[test]
    fn every_metric_is_shown_with_its_name_and_unit() {
        let mut registry = Registry::default();
        let metrics = Metrics::register(&mut registry);
        metrics.count_leases(&Counts::from([(State::AccessEnded, 3)]));
        metrics.count_attempt(Work::Revoke, "ok");
        metrics.observe_revoke_lag(Duration::from_millis(300));
        metrics.set_due_age(Duration::from_secs(2));
        metrics.count_store_error();
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
        for line in [
            "leases{state=\"access_ended\"} 3",
            "lease_attempts_total{work=\"revoke\",result=\"ok\"} 1",
            "lease_revoke_lag_seconds_bucket{le=\"0.5\"} 1",
            "lease_due_age_seconds 2.0",
            "lease_worker_store_errors_total 1",
        ] {
            assert!(text.contains(line), "{line} is not in\n{text}");
        }
    }
}
