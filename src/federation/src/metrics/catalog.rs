//! What is wrong with the catalog now: numbers that go down again once it is mended.

use esi_resources::catalog::{Catalog, Snapshot};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Labels {
    kind: &'static str,
}

/// The metrics of one catalog.
#[derive(Debug, Default)]
pub struct CatalogMetrics {
    problems: Family<Labels, Gauge>,
}

impl CatalogMetrics {
    /// Registers them.
    #[must_use]
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        registry.register(
            "catalog_problems",
            "Problems of the catalog now: manifests that are broken, that refer to what is not there, that are not served",
            metrics.problems.clone(),
        );
        metrics
    }

    /// Follows a catalog. Ends only if nobody else holds it.
    pub async fn follow(self, catalog: Catalog) {
        let mut changes = catalog.changes();
        loop {
            self.show(&catalog.current());
            if changes.changed().await.is_err() {
                return;
            }
        }
    }

    fn show(&self, snapshot: &Snapshot) {
        for (kind, problems) in [
            ("broken", snapshot.problems()),
            ("dangling", snapshot.dangling()),
            ("not_served", snapshot.notices()),
        ] {
            let number = i64::try_from(problems.len()).unwrap_or(i64::MAX);
            self.problems.get_or_create(&Labels { kind }).set(number);
        }
    }
}
