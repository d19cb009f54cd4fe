//! Keeps the status of every Injection what it should be.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use esi_core::{Clock, chain};
use esi_resources::injection::{API_VERSION, InjectionStatus};
use kube::Api;
use kube::api::{DynamicObject, Patch, PatchParams};
use serde_json::json;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};

use super::WRITER;
use super::judge::due;
use crate::cluster::CALL;
use crate::config;
use crate::metrics::Metrics;
use crate::watch::{Key, Objects, Observed, injections};

/// Between two looks at all Injections, at least: a look judges every one.
const GATHER: Duration = Duration::from_millis(500);
/// Between two looks, at most: the configuration may have changed.
const LOOK: Duration = Duration::from_secs(10);
/// Between two writes: a replica asks the API server for twenty a second at most.
const PACE: Duration = Duration::from_millis(50);
/// The same words are not repeated sooner: the watch may not have shown them yet, or a replica with another
/// configuration says something else.
const REPEAT: Duration = Duration::from_secs(30);

/// Writes statuses, as one task.
pub(super) struct Statuses {
    client: kube::Client,
    objects: watch::Receiver<Arc<Objects>>,
    configuration: config::Current,
    metrics: Arc<Metrics>,
    clock: Arc<dyn Clock>,
    /// What was written of late. Forgotten after [`REPEAT`], so that it holds as many as can be written meanwhile.
    written: BTreeMap<Key, (Instant, InjectionStatus)>,
}

impl Statuses {
    pub(super) fn new(
        client: kube::Client,
        objects: watch::Receiver<Arc<Objects>>,
        configuration: config::Current,
        metrics: Arc<Metrics>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            client,
            objects,
            configuration,
            metrics,
            clock,
            written: BTreeMap::new(),
        }
    }

    /// Runs until nobody watches Injections any more.
    pub(super) async fn run(mut self) {
        loop {
            let objects = Arc::clone(&self.objects.borrow_and_update());
            self.look(&objects).await;
            sleep(GATHER).await;
            tokio::select! {
                changed = self.objects.changed() => if changed.is_err() { return },
                () = sleep(LOOK) => {}
            }
        }
    }

    async fn look(&mut self, objects: &Objects) {
        let configuration = self.configuration.get();
        self.written.retain(|_, (at, _)| at.elapsed() < REPEAT);
        for (key, observed) in objects {
            let Some(status) = due(observed, &configuration, self.clock.now()) else {
                continue;
            };
            let repeated = self.written.get(key).is_some_and(|(_, last)| same(last, &status));
            if !repeated {
                self.write(key, observed, &status).await;
                self.written.insert(key.clone(), (Instant::now(), status));
                sleep(PACE).await;
            }
        }
    }

    async fn write(&self, key: &Key, observed: &Observed, status: &InjectionStatus) {
        let (namespace, name) = key;
        let api: Api<DynamicObject> =
            Api::namespaced_with(self.client.clone(), namespace.as_str(), &injections());
        // The uid: one that was deleted and made anew meanwhile has another.
        let patch = Patch::Apply(json!({
            "apiVersion": API_VERSION,
            "kind": "Injection",
            "metadata": {"name": name, "namespace": namespace, "uid": observed.uid},
            "status": status,
        }));
        let parameters = PatchParams::apply(WRITER).force();
        let written = api.patch_status(name.as_str(), &parameters, &patch);
        let (result, problem) = match timeout(CALL, written).await {
            Ok(Ok(_)) => ("ok", None),
            // It is gone, or another one: the watch will say so.
            Ok(Err(kube::Error::Api(status))) if matches!(status.code, 404 | 409) => ("gone", None),
            Ok(Err(error)) => ("failed", Some(chain(&error))),
            Err(_elapsed) => ("failed", Some("the API server did not answer in time".to_owned())),
        };
        self.metrics.status_written(result);
        if let Some(error) = problem {
            tracing::warn!(%namespace, injection = %name, error, "its status is not written: trying again");
        }
    }
}

/// Whether both say the same, whenever they came to it.
fn same(one: &InjectionStatus, other: &InjectionStatus) -> bool {
    let words = |status: &InjectionStatus| {
        let mut words = status.clone();
        for condition in &mut words.conditions {
            condition.last_transition_time.clear();
        }
        words
    };
    words(one) == words(other)
}
