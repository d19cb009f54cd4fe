//! What a pod's author should know, as Kubernetes Events (`events.k8s.io/v1`) of the pod.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use esi_core::chain;
use esi_core::names::Uid;
use k8s_openapi::api::core::v1::ObjectReference;
use kube::runtime::events::{Event, EventType, Recorder, Reporter};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, timeout};

use crate::metrics::Metrics;
use crate::request::Pod;

/// Who writes them.
const WRITER: &str = "esi-node";
/// How many may wait: more are about one cause, which the metrics show.
const QUEUE: usize = 256;
/// The same is not told of a pod sooner.
const REPEAT: Duration = Duration::from_secs(3600);
/// How many pods and reasons are remembered: those of a full node, several times. Beyond it some are told twice.
const REMEMBERED: usize = 1024;
/// How long a call of the API server may take.
const CALL: Duration = Duration::from_secs(10);
/// Between two writes: a node asks the API server for two a second at most.
const PACE: Duration = Duration::from_millis(500);
/// Most bytes of a note: Kubernetes' own bound is 1,024.
const MAX_NOTE: usize = 1000;

/// Why.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// A credential will end, and no new one can take its place while the process runs.
    NotRotated,
    /// A new credential could not be had or written, and it would not help to just try again.
    RotationFailed,
    /// A credential is about to end.
    CredentialEnding,
}

impl Reason {
    /// As it is written.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NotRotated => "CredentialNotRotated",
            Self::RotationFailed => "RotationFailed",
            Self::CredentialEnding => "CredentialEnding",
        }
    }
}

/// Tells about pods. Never waits.
#[derive(Debug, Clone)]
pub struct Events {
    queue: Option<mpsc::Sender<Told>>,
    metrics: Arc<Metrics>,
}

#[derive(Debug)]
pub(super) struct Told {
    pub(super) pod: Pod,
    pub(super) reason: Reason,
    pub(super) message: String,
}

impl Events {
    /// Nobody to tell but the log.
    #[must_use]
    pub fn logged(metrics: Arc<Metrics>) -> Self {
        Self { queue: None, metrics }
    }

    /// To the API server, by the second of what is returned: it runs until the first is dropped.
    pub fn written(
        client: kube::Client,
        metrics: Arc<Metrics>,
    ) -> (Self, impl Future<Output = ()> + Send + 'static) {
        let (events, queue) = Self::queued(Arc::clone(&metrics));
        (events, write(client, queue, metrics))
    }

    pub(super) fn queued(metrics: Arc<Metrics>) -> (Self, mpsc::Receiver<Told>) {
        let (sender, queue) = mpsc::channel(QUEUE);
        let events = Self {
            queue: Some(sender),
            metrics,
        };
        (events, queue)
    }

    /// Tells.
    pub fn tell(&self, pod: &Pod, reason: Reason, message: String) {
        tracing::warn!(namespace = %pod.namespace, pod = %pod.name, reason = reason.as_str(), message);
        let Some(queue) = &self.queue else { return };
        let told = Told {
            pod: pod.clone(),
            reason,
            message,
        };
        if queue.try_send(told).is_err() {
            self.metrics.event("left_out");
        }
    }
}

async fn write(client: kube::Client, mut queue: mpsc::Receiver<Told>, metrics: Arc<Metrics>) {
    let recorder = Recorder::new(client, Reporter::from(WRITER));
    let mut past = Past::default();
    while let Some(told) = queue.recv().await {
        if !past.is_due(&told) {
            metrics.event("left_out");
            continue;
        }
        publish(&recorder, told, &metrics).await;
        sleep(PACE).await;
    }
}

async fn publish(recorder: &Recorder, told: Told, metrics: &Metrics) {
    let Told { pod, reason, message } = told;
    let event = Event {
        type_: EventType::Warning,
        reason: reason.as_str().to_owned(),
        note: Some(cut(message)),
        action: "Rotate".to_owned(),
        secondary: None,
    };
    let regarding = ObjectReference {
        api_version: Some("v1".to_owned()),
        kind: Some("Pod".to_owned()),
        namespace: Some(pod.namespace.to_string()),
        name: Some(pod.name.to_string()),
        uid: Some(pod.uid.to_string()),
        ..ObjectReference::default()
    };
    let problem = match timeout(CALL, recorder.publish(&event, &regarding)).await {
        Ok(Ok(())) => None,
        Ok(Err(error)) => Some(chain(&error)),
        Err(_elapsed) => Some("the API server did not answer in time".to_owned()),
    };
    metrics.event(if problem.is_none() { "ok" } else { "failed" });
    if let Some(error) = problem {
        tracing::warn!(namespace = %pod.namespace, pod = %pod.name, error, "an Event is not written");
    }
}

/// To the bound, at the end of a character.
fn cut(mut note: String) -> String {
    let end = (0..=MAX_NOTE.min(note.len()))
        .rev()
        .find(|&end| note.is_char_boundary(end));
    note.truncate(end.unwrap_or_default());
    note
}

/// What was told of late.
#[derive(Debug, Default)]
struct Past(BTreeMap<(Uid, Reason), Instant>);

impl Past {
    fn is_due(&mut self, told: &Told) -> bool {
        let key = (told.pod.uid.clone(), told.reason);
        if self.0.get(&key).is_some_and(|at| at.elapsed() < REPEAT) {
            return false;
        }
        if self.0.len() >= REMEMBERED {
            self.0.retain(|_, at| at.elapsed() < REPEAT);
        }
        if self.0.len() < REMEMBERED {
            self.0.insert(key, Instant::now());
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::test_record;

    fn told(pod: &str, reason: Reason) -> Told {
        let mut told = Told {
            pod: test_record().pod,
            reason,
            message: String::new(),
        };
        told.pod.uid = pod.parse().unwrap();
        told
    }

    #[tokio::test(start_paused = true)]
    async fn the_same_is_told_of_a_pod_once_an_hour() {
        let mut past = Past::default();
        assert!(past.is_due(&told("a", Reason::NotRotated)));
        assert!(!past.is_due(&told("a", Reason::NotRotated)));
        assert!(past.is_due(&told("a", Reason::CredentialEnding)));
        assert!(past.is_due(&told("b", Reason::NotRotated)));
        tokio::time::advance(REPEAT).await;
        assert!(past.is_due(&told("a", Reason::NotRotated)));
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_remembered_is_bounded() {
        let mut past = Past::default();
        for pod in 0..2 * REMEMBERED {
            assert!(past.is_due(&told(&format!("p-{pod}"), Reason::NotRotated)));
        }
        assert_eq!(past.0.len(), REMEMBERED);
        tokio::time::advance(REPEAT).await;
        assert!(past.is_due(&told("p-new", Reason::NotRotated)));
        assert_eq!(past.0.len(), 1);
    }

    #[test]
    fn a_note_is_cut_between_characters() {
        assert_eq!(cut("short".to_owned()), "short");
        let long = cut("é".repeat(1000));
        assert_eq!(long, "é".repeat(500));
        assert_eq!(cut(format!("a{}", "é".repeat(1000))).len(), 999);
    }
}
