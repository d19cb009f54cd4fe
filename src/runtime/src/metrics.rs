//! What a server counts about its connections and certificates.
//!
//! Names carry no prefix: the program's registry has one. Labels come from closed sets.

use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};

/// Label of a counter that tells reasons apart.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct Reason {
    reason: &'static str,
}

/// Label of a counter that tells success from failure.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct Outcome {
    result: &'static str,
}

/// The metrics of one server. Clones share them; an unregistered one counts for nobody.
#[derive(Debug, Clone, Default)]
pub struct Metrics {
    pub(crate) accepted: Counter,
    pub(crate) open: Gauge,
    refused: Family<Reason, Counter>,
    handshake_failures: Family<Reason, Counter>,
    closed: Family<Reason, Counter>,
    pub(crate) certificate_not_after: Gauge,
    reloads: Family<Outcome, Counter<u64, AtomicU64>>,
}

impl Metrics {
    /// Creates them and makes them known to the registry.
    pub fn register(registry: &mut Registry) -> Self {
        let Self {
            accepted,
            open,
            refused,
            handshake_failures,
            closed,
            certificate_not_after,
            reloads,
        } = Self::default();
        registry.register("connections_accepted", "Connections accepted", accepted.clone());
        registry.register("connections_open", "Connections open now", open.clone());
        registry.register(
            "connections_refused",
            "Connections closed at once, by reason",
            refused.clone(),
        );
        registry.register(
            "tls_handshake_failures",
            "TLS handshakes that failed, by reason",
            handshake_failures.clone(),
        );
        registry.register(
            "connections_cut",
            "Connections cut by the server, by reason",
            closed.clone(),
        );
        registry.register_with_unit(
            "tls_certificate_not_after_timestamp",
            "When the certificate being served expires, since the epoch",
            Unit::Seconds,
            certificate_not_after.clone(),
        );
        registry.register(
            "tls_reloads",
            "Changes of the served certificate, by result",
            reloads.clone(),
        );
        Self {
            accepted,
            open,
            refused,
            handshake_failures,
            closed,
            certificate_not_after,
            reloads,
        }
    }

    pub(crate) fn refused(&self, reason: &'static str) -> Counter {
        self.refused.get_or_create_owned(&Reason { reason })
    }

    pub(crate) fn handshake_failed(&self, reason: &'static str) -> Counter {
        self.handshake_failures.get_or_create_owned(&Reason { reason })
    }

    pub(crate) fn cut(&self, reason: &'static str) -> Counter {
        self.closed.get_or_create_owned(&Reason { reason })
    }

    pub(crate) fn reloaded(&self, result: &'static str) -> Counter {
        self.reloads.get_or_create_owned(&Outcome { result })
    }
}
