//! Refusals as Kubernetes Events (`events.k8s.io/v1`) on the Injections that are to blame.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use esi_core::chain;
use esi_resources::injection::API_VERSION;
use k8s_openapi::api::core::v1::ObjectReference;
use kube::runtime::events::{Event, EventType, Recorder, Reporter};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep, timeout};

use super::WRITER;
use super::judge::cut;
use super::refusals::Refusal;
use crate::cluster::CALL;
use crate::metrics::Metrics;
use crate::watch::{Key, Objects};

/// The same is not told of an Injection sooner: a controller that cannot make its pod tries many times.
const REPEAT: Duration = Duration::from_secs(30);
/// Between two writes: a replica asks the API server for five a second at most.
const PACE: Duration = Duration::from_millis(200);
/// Most bytes of a note: Kubernetes' own bound is 1,024.
const MAX_NOTE: usize = 1000;

/// Runs until nobody refuses any more.
pub(super) async fn write(
    client: kube::Client,
    mut refused: mpsc::Receiver<Refusal>,
    objects: watch::Receiver<Arc<Objects>>,
    metrics: Arc<Metrics>,
) {
    // It folds what is alike into one Event with a count, and forgets after minutes.
    let recorder = Recorder::new(client, Reporter::from(WRITER));
    let mut told = Told::default();
    while let Some(refusal) = refused.recv().await {
        let uid = objects
            .borrow()
            .get(&refusal.injection)
            .map(|observed| observed.uid.clone());
        // One that is not there (yet) has no place for an Event; who made the pod is told the denial.
        let Some(uid) = uid else {
            continue;
        };
        if !told.is_due(&refusal) {
            metrics.event("left_out");
            continue;
        }
        publish(&recorder, refusal, uid, &metrics).await;
        sleep(PACE).await;
    }
}

async fn publish(recorder: &Recorder, refusal: Refusal, uid: String, metrics: &Metrics) {
    let Refusal {
        injection: (namespace, name),
        reason,
        message,
    } = refusal;
    let event = Event {
        type_: EventType::Warning,
        reason: "PodRefused".to_owned(),
        note: Some(cut(&message, MAX_NOTE).to_owned()),
        action: reason.to_owned(),
        secondary: None,
    };
    let regarding = ObjectReference {
        api_version: Some(API_VERSION.to_owned()),
        kind: Some("Injection".to_owned()),
        namespace: Some(namespace.to_string()),
        name: Some(name.to_string()),
        uid: Some(uid),
        ..ObjectReference::default()
    };
    let problem = match timeout(CALL, recorder.publish(&event, &regarding)).await {
        Ok(Ok(())) => None,
        Ok(Err(error)) => Some(chain(&error)),
        Err(_elapsed) => Some("the API server did not answer in time".to_owned()),
    };
    metrics.event(if problem.is_none() { "ok" } else { "failed" });
    if let Some(error) = problem {
        // An Event is a courtesy: the denial itself has told who asked.
        tracing::warn!(%namespace, injection = %name, error, "an Event is not written");
    }
}

/// What was told of late: as many as [`PACE`] lets through in [`REPEAT`].
#[derive(Default)]
struct Told(BTreeMap<(Key, &'static str), Instant>);

impl Told {
    fn is_due(&mut self, refusal: &Refusal) -> bool {
        self.0.retain(|_, at| at.elapsed() < REPEAT);
        let key = (refusal.injection.clone(), refusal.reason);
        if self.0.contains_key(&key) {
            return false;
        }
        self.0.insert(key, Instant::now());
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(injection: &str, reason: &'static str) -> Refusal {
        Refusal {
            injection: ("shop".parse().unwrap(), injection.parse().unwrap()),
            reason,
            message: String::new(),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_same_is_told_again_only_after_a_while() {
        let mut told = Told::default();
        assert!(told.is_due(&refusal("db", "a")));
        assert!(!told.is_due(&refusal("db", "a")));
        assert!(told.is_due(&refusal("db", "b")) && told.is_due(&refusal("cache", "a")));
        tokio::time::advance(REPEAT).await;
        assert!(told.is_due(&refusal("db", "a")));
        assert_eq!(told.0.len(), 1);
    }
}
