//! What the server counts. Labels come from closed sets only.

mod catalog;

use std::time::Duration;

use esi_api::status::ERROR_KIND;
use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use tonic::Status;

pub use catalog::CatalogMetrics;

/// One of the calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EncodeLabelValue)]
pub enum Call {
    /// `Issue`.
    Issue,
    /// `Acknowledge`.
    Acknowledge,
    /// `Revoke`.
    Revoke,
    /// `Report`.
    Report,
    /// `Leases.List`.
    ListLeases,
    /// `Leases.Rotate`.
    RotateLeases,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CallLabels {
    call: Call,
    /// `ok`, or the error's kind.
    result: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct DurationLabels {
    call: Call,
}

/// The server's own metrics.
#[derive(Debug)]
pub struct Metrics {
    calls: Family<CallLabels, Counter>,
    duration: Family<DurationLabels, Histogram>,
}

/// Seconds: from a free generator to the mint deadline.
const BUCKETS: [f64; 12] = [
    0.0005, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0, 5.0, 20.0,
];

impl Metrics {
    /// Registers them.
    #[must_use]
    pub fn register(registry: &mut Registry) -> Self {
        let calls = Family::default();
        let duration = Family::new_with_constructor((|| Histogram::new(BUCKETS)) as fn() -> Histogram);
        registry.register("calls", "Calls, by call and result", calls.clone());
        registry.register("call_duration_seconds", "Time to answer a call", duration.clone());
        Self { calls, duration }
    }

    /// A call was answered.
    pub fn called(&self, call: Call, error: Option<&Status>, took: Duration) {
        let result = error.map_or("ok", |status| {
            // Only our own errors carry a kind; others are the transport's.
            status
                .metadata()
                .get(ERROR_KIND)
                .and_then(|kind| kind.to_str().ok())
                .unwrap_or("transport")
        });
        self.calls
            .get_or_create(&CallLabels {
                call,
                result: result.to_owned(),
            })
            .inc();
        self.duration
            .get_or_create(&DurationLabels { call })
            .observe(took.as_secs_f64());
    }
}
