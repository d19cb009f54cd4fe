//! What the daemon counts. Labels come from closed sets only.

mod measured;

use std::sync::atomic::AtomicI64;
use std::time::Duration;

use esi_client::Action;
use esi_core::{Classify, Timestamp};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

pub use measured::Measured;

use crate::fill::Filled;
use crate::keep::{RotateError, SendError};
use crate::request::Delivery;
use crate::state::{Phase, Record};

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct DeliveryLabels {
    delivery: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CallLabels {
    call: &'static str,
    result: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ResultLabels {
    result: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ErrorLabels {
    step: &'static str,
    kind: &'static str,
}

type Level = Gauge<i64, AtomicI64>;

/// The daemon's own metrics.
#[derive(Debug)]
pub struct Metrics {
    volumes: Family<DeliveryLabels, Level>,
    calls: Family<CallLabels, Histogram>,
    reports: Family<ResultLabels, Counter>,
    verdicts: Family<ResultLabels, Counter>,
    rotations: Family<ResultLabels, Counter>,
    releases: Family<ResultLabels, Counter>,
    queue_length: Level,
    queue_age: Level,
    left_to_end: Level,
    first_end: Level,
    events: Family<ResultLabels, Counter>,
    errors: Family<ErrorLabels, Counter>,
}

/// Seconds: from a republish, which is a look, over a volume without an issue, to kubelet's patience.
const BUCKETS: [f64; 13] = [
    0.0001, 0.00025, 0.0005, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 5.0, 20.0, 100.0,
];

/// The releases that the servers do not have yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Queue {
    /// How many.
    pub length: usize,
    /// How long the oldest has waited.
    pub oldest: Option<Duration>,
}

impl Metrics {
    /// Registers them.
    #[must_use]
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self {
            volumes: Family::default(),
            calls: Family::new_with_constructor(|| Histogram::new(BUCKETS)),
            reports: Family::default(),
            verdicts: Family::default(),
            rotations: Family::default(),
            releases: Family::default(),
            queue_length: Gauge::default(),
            queue_age: Gauge::default(),
            left_to_end: Gauge::default(),
            first_end: Gauge::default(),
            events: Family::default(),
            errors: Family::default(),
        };
        registry.register(
            "node_volumes",
            "Volumes that are ready, by who fills them",
            metrics.volumes.clone(),
        );
        registry.register(
            "node_call_duration_seconds",
            "Calls of kubelet for a volume, by result",
            metrics.calls.clone(),
        );
        registry.register(
            "node_reports",
            "Reports to servers, by result",
            metrics.reports.clone(),
        );
        registry.register(
            "node_verdicts",
            "What servers said of volumes that were reported",
            metrics.verdicts.clone(),
        );
        registry.register(
            "node_rotations",
            "Rotations, by result",
            metrics.rotations.clone(),
        );
        registry.register(
            "node_releases",
            "Calls that tell a server which volumes are gone, by result",
            metrics.releases.clone(),
        );
        registry.register(
            "node_release_queue_length",
            "Volumes that are gone, and whose server does not know yet",
            metrics.queue_length.clone(),
        );
        registry.register(
            "node_release_queue_age_seconds",
            "How long the oldest of these has waited",
            metrics.queue_age.clone(),
        );
        registry.register(
            "node_left_to_end",
            "Volumes whose credential is to be replaced, but is in variables of a running process",
            metrics.left_to_end.clone(),
        );
        registry.register(
            "node_first_end_seconds",
            "Unix time at which the first of these ends; 0 if none is known to",
            metrics.first_end.clone(),
        );
        registry.register(
            "node_events",
            "Events about pods, by result; left_out for those that would repeat or flood",
            metrics.events.clone(),
        );
        registry.register(
            "node_errors",
            "What failed, by step and kind",
            metrics.errors.clone(),
        );
        metrics
    }

    pub(crate) fn call<E: Classify>(&self, call: &'static str, result: &Result<(), E>, took: Duration) {
        let labels = CallLabels {
            call,
            result: self.result(call, result.as_ref().err()),
        };
        self.calls.get_or_create(&labels).observe(took.as_secs_f64());
    }

    pub(crate) fn reported(&self, error: Option<&SendError>) {
        count(&self.reports, self.result("report", error));
    }

    pub(crate) fn verdict(&self, action: Action) {
        let result = match action {
            Action::Keep => "keep",
            Action::Rotate { asked: false } => "rotate",
            Action::Rotate { asked: true } => "rotate_asked",
            Action::Unknown => "unknown",
        };
        count(&self.verdicts, result);
    }

    pub(crate) fn rotated(&self, rotated: &Result<Filled, RotateError>) {
        count(&self.rotations, self.result("rotate", rotated.as_ref().err()));
    }

    pub(crate) fn released(&self, released: &Result<(), SendError>) {
        count(&self.releases, self.result("release", released.as_ref().err()));
    }

    pub(crate) fn event(&self, result: &'static str) {
        count(&self.events, result);
    }

    pub(crate) fn volumes(&self, records: &[Record]) {
        let ready = records.iter().filter(|record| record.phase == Phase::Ready);
        for (delivery, name) in [(Delivery::Init, "init"), (Delivery::Node, "node")] {
            let number = ready.clone().filter(|record| record.delivery == delivery).count();
            let labels = DeliveryLabels { delivery: name };
            self.volumes.get_or_create(&labels).set(level(number));
        }
    }

    pub(crate) fn queue(&self, queue: &Queue) {
        self.queue_length.set(level(queue.length));
        let age = queue.oldest.unwrap_or_default().as_secs();
        self.queue_age.set(i64::try_from(age).unwrap_or(i64::MAX));
    }

    pub(crate) fn left_to_end(&self, number: usize, first: Option<Timestamp>) {
        self.left_to_end.set(level(number));
        self.first_end.set(first.map_or(0, Timestamp::as_secs));
    }

    fn result<E: Classify>(&self, step: &'static str, error: Option<&E>) -> &'static str {
        let Some(error) = error else { return "ok" };
        let kind = error.kind();
        self.errors.get_or_create(&ErrorLabels { step, kind }).inc();
        "failed"
    }
}

fn count(family: &Family<ResultLabels, Counter>, result: &'static str) {
    family.get_or_create(&ResultLabels { result }).inc();
}

fn level(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
