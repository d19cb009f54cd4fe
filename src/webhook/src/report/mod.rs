//! What is told about Injections in the cluster, for those who wrote them.
//!
//! ```text
//!  Objects, Configuration ──judge──▶ status (condition Ready) ──statuses──▶ server-side apply, where it differs
//!  a denied pod ──refusals──▶ queue (bounded, never waited for) ──events──▶ Event on the Injection
//! ```
//!
//! Invariants: admission waits for none of it; every replica comes to the same status, so that the first one writes it
//! and the others find it written; a dry run leaves no trace; nothing of a pod but what its author is told is told.

mod events;
mod judge;
mod refusals;
mod statuses;

use std::fmt;
use std::sync::Arc;

use esi_core::Clock;
use esi_runtime::Tasks;
use tokio::sync::watch;

pub use refusals::Refusals;

use crate::config;
use crate::metrics::Metrics;
use crate::watch::Objects;

/// Who writes: the field manager of statuses, and what Events call their reporter.
const WRITER: &str = "esi-webhook";

/// All that reporting needs.
pub struct Report {
    /// The cluster.
    pub client: kube::Client,
    /// Its Injections.
    pub objects: watch::Receiver<Arc<Objects>>,
    /// What the operator decided.
    pub configuration: config::Current,
    /// Counts.
    pub metrics: Arc<Metrics>,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

impl fmt::Debug for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Report").finish_non_exhaustive()
    }
}

impl Report {
    /// Begins to report. What is refused goes to the answer.
    pub fn spawn(self, tasks: &mut Tasks) -> Refusals {
        let Self {
            client,
            objects,
            configuration,
            metrics,
            clock,
        } = self;
        let (refusals, refused) = refusals::queue(Arc::clone(&metrics));
        tasks.spawn_companion(
            "events",
            events::write(client.clone(), refused, objects.clone(), Arc::clone(&metrics)),
        );
        let statuses = statuses::Statuses::new(client, objects, configuration, metrics, clock);
        tasks.spawn_companion("statuses", statuses.run());
        refusals
    }
}
