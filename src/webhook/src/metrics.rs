//! What the webhook counts. Labels come from closed sets only.

use std::sync::atomic::AtomicI64;
use std::time::Duration;

use esi_core::Timestamp;
use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use crate::admission::Answer;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EncodeLabelValue)]
#[expect(non_camel_case_types, reason = "labels are written as they are named")]
enum Decision {
    patched,
    complete,
    untouched,
    denied,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct AdmissionLabels {
    result: Decision,
    reason: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RefusalLabels {
    reason: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReloadLabels {
    result: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct WatchLabels {
    watch: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct WriteLabels {
    result: &'static str,
}

/// The webhook's own metrics.
#[derive(Debug)]
pub struct Metrics {
    admissions: Family<AdmissionLabels, Counter>,
    duration: Histogram,
    refusals: Family<RefusalLabels, Counter>,
    config_reloads: Family<ReloadLabels, Counter>,
    config_broken: Gauge<i64, AtomicI64>,
    bundle_in_place: Gauge<i64, AtomicI64>,
    watch_lost_since: Family<WatchLabels, Gauge<i64, AtomicI64>>,
    status_writes: Family<WriteLabels, Counter>,
    events: Family<WriteLabels, Counter>,
}

/// Seconds: from a pod that asks for nothing to a machine in distress. The budget is 1 ms.
const BUCKETS: [f64; 12] = [
    0.00005, 0.0001, 0.0002, 0.0003, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.05, 0.25, 1.0,
];

impl Metrics {
    /// Registers them.
    #[must_use]
    pub fn register(registry: &mut Registry) -> Self {
        let admissions = Family::default();
        let duration = Histogram::new(BUCKETS);
        let refusals = Family::default();
        let config_reloads = Family::default();
        let config_broken = Gauge::default();
        let bundle_in_place = Gauge::default();
        let watch_lost_since = Family::default();
        let status_writes = Family::default();
        let events = Family::default();
        registry.register(
            "webhook_admissions",
            "Reviews answered, by result and reason",
            admissions.clone(),
        );
        registry.register(
            "webhook_admission_duration_seconds",
            "From a review's last byte to its answer",
            duration.clone(),
        );
        registry.register(
            "webhook_refused_requests",
            "Requests without a review that could be answered, by reason",
            refusals.clone(),
        );
        registry.register(
            "webhook_config_reloads",
            "Changes of the configuration file and of what it names, by result",
            config_reloads.clone(),
        );
        registry.register(
            "webhook_config_broken",
            "1 while the configuration file is broken and the last good one holds",
            config_broken.clone(),
        );
        registry.register(
            "webhook_ca_bundle_in_place",
            "1 while the API server is told to trust the webhook's own certificate authority",
            bundle_in_place.clone(),
        );
        registry.register(
            "webhook_watch_lost_since_seconds",
            "Unix time at which a watch of the cluster was lost; 0 while it is connected",
            watch_lost_since.clone(),
        );
        registry.register(
            "webhook_status_writes",
            "Statuses of Injections written, by result",
            status_writes.clone(),
        );
        registry.register(
            "webhook_events",
            "Events about denied pods, by result; left_out for those that would repeat or flood",
            events.clone(),
        );
        Self {
            admissions,
            duration,
            refusals,
            config_reloads,
            config_broken,
            bundle_in_place,
            watch_lost_since,
            status_writes,
            events,
        }
    }

    /// Whether the API server is told to trust this webhook.
    pub(crate) fn bundle_in_place(&self, in_place: bool) {
        self.bundle_in_place.set(i64::from(in_place));
    }

    /// A review was answered.
    pub(crate) fn admitted(&self, answer: &Answer, took: Duration) {
        let (result, reason) = match answer {
            Answer::Patched { .. } => (Decision::patched, "asked"),
            Answer::Complete { .. } => (Decision::complete, "asked"),
            Answer::Untouched(reason) => (Decision::untouched, *reason),
            Answer::Denied(denial) => (Decision::denied, denial.reason),
        };
        self.admissions
            .get_or_create(&AdmissionLabels { result, reason })
            .inc();
        self.duration.observe(took.as_secs_f64());
    }

    /// A request was refused before anybody could be answered.
    pub(crate) fn refused(&self, reason: &'static str) {
        self.refusals.get_or_create(&RefusalLabels { reason }).inc();
    }

    /// The configuration was read anew.
    pub(crate) fn config_read(&self, good: bool) {
        let result = if good { "ok" } else { "failed" };
        self.config_reloads.get_or_create(&ReloadLabels { result }).inc();
        self.config_broken.set(i64::from(!good));
    }

    /// What is watched is seen.
    pub(crate) fn watch_found(&self, watch: &'static str) {
        self.watch_lost_since.get_or_create(&WatchLabels { watch }).set(0);
    }

    /// What is watched is seen no more, or not yet.
    pub(crate) fn watch_lost(&self, watch: &'static str, since: Timestamp) {
        let gauge = self.watch_lost_since.get_or_create(&WatchLabels { watch });
        gauge.set(since.as_secs());
    }

    /// A status was written, or not.
    pub(crate) fn status_written(&self, result: &'static str) {
        self.status_writes.get_or_create(&WriteLabels { result }).inc();
    }

    /// An Event was written, or not.
    pub(crate) fn event(&self, result: &'static str) {
        self.events.get_or_create(&WriteLabels { result }).inc();
    }
}
