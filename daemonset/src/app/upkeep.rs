//! Who is told of what goes on, and what is looked after without anybody asking.

use std::sync::Arc;
use std::time::Duration;

use esi_core::chain;
use esi_runtime::Tasks;
use tokio::time::{Instant, MissedTickBehavior, interval_at};

use crate::keep::Events;
use crate::metrics::Metrics;
use crate::volume::Volumes;

/// How long a connection to the API server may take to come about.
const CONNECT: Duration = Duration::from_secs(5);
/// Between two looks for what no call of kubelet tells of. It reads the table of mounts.
const RECONCILE: Duration = Duration::from_secs(300);

/// To the API server, where the daemon runs in a pod; else to the log alone.
pub(super) fn events(metrics: &Arc<Metrics>, tasks: &mut Tasks) -> Events {
    let client = kube::Config::incluster().map(|mut config| {
        config.connect_timeout = Some(CONNECT);
        kube::Client::try_from(config)
    });
    let problem = match client {
        Ok(Ok(client)) => {
            let (events, writer) = Events::written(client, Arc::clone(metrics));
            tasks.spawn_companion("events", writer);
            return events;
        }
        Ok(Err(error)) => chain(&error),
        Err(error) => chain(&error),
    };
    tracing::info!(
        reason = problem,
        "there is no way to the Kubernetes API server: pods get no Events, the log has them"
    );
    Events::logged(Arc::clone(metrics))
}

/// Brings records, mounts and kubelet's directories together, from time to time.
pub(super) async fn reconcile(volumes: Arc<Volumes>) {
    let first = Instant::now().checked_add(RECONCILE);
    let mut ticks = interval_at(first.unwrap_or_else(Instant::now), RECONCILE);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let volumes = Arc::clone(&volumes);
        // A panic is a defect, and the end of this task, which its owner notices.
        if tokio::task::spawn_blocking(move || volumes.reconcile())
            .await
            .is_err()
        {
            return;
        }
    }
}
