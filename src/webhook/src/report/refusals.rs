//! From a denied pod to the Injections that are to blame: cheap, and never waited for.

use std::sync::Arc;

use esi_core::names::{Namespace, ObjectName};
use tokio::sync::mpsc;

use crate::admission::Denial;
use crate::json::{Json, Value};
use crate::metrics::Metrics;
use crate::watch::Key;

/// The annotation that names Injections.
const INJECT: &str = "esi.external-secrets.io/inject";
/// Injections that one denial tells of: its message names two at most.
const MAX_BLAMED: usize = 2;
/// Names that are looked at: a pod has fewer bindings, and longer lists are denied for their length.
const MAX_NAMES: usize = 64;
/// Refusals that wait to be told, of a few KiB each: more at once are a flood, and counted.
const WAITING: usize = 64;

/// A pod was denied because of an Injection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) injection: Key,
    pub(super) reason: &'static str,
    pub(super) message: String,
}

/// Takes denials, and hands on those that Injections are to blame for. The default tells nobody.
#[derive(Debug, Default)]
pub struct Refusals(Option<Queue>);

#[derive(Debug)]
struct Queue {
    refusals: mpsc::Sender<Refusal>,
    metrics: Arc<Metrics>,
}

pub(super) fn queue(metrics: Arc<Metrics>) -> (Refusals, mpsc::Receiver<Refusal>) {
    let (refusals, refused) = mpsc::channel(WAITING);
    (Refusals(Some(Queue { refusals, metrics })), refused)
}

impl Refusals {
    /// A pod was denied. Never waits.
    pub fn tell(&self, namespace: &Namespace, pod: &Json<'_>, denial: &Denial) {
        let Some(Queue { refusals, metrics }) = &self.0 else {
            return;
        };
        for name in blamed(pod.root(), denial) {
            let refusal = Refusal {
                injection: (namespace.clone(), name),
                reason: denial.reason,
                message: denial.message.clone(),
            };
            if refusals.try_send(refusal).is_err() {
                metrics.event("left_out");
            }
        }
    }
}

/// The Injections that the pod names and the denial's message names too: messages call what is to blame by its name.
fn blamed(pod: Value<'_>, denial: &Denial) -> Vec<ObjectName> {
    let annotations = pod
        .get("metadata")
        .and_then(|metadata| metadata.get("annotations"));
    let names = annotations
        .and_then(|annotations| annotations.get(INJECT))
        .and_then(Value::as_str)
        .unwrap_or_default();
    names
        .split(',')
        .take(MAX_NAMES)
        .filter_map(|name| name.trim().parse().ok())
        .filter(|name: &ObjectName| denial.message.contains(&format!("Injection `{name}`")))
        .take(MAX_BLAMED)
        .collect()
}

#[cfg(test)]
mod tests {
    use prometheus_client::registry::Registry;
    use serde_json::json;

    use super::*;

    fn denial(message: &str) -> Denial {
        Denial {
            code: 403,
            reason: "unknown_container",
            message: message.to_owned(),
        }
    }

    fn names(inject: &serde_json::Value, message: &str) -> Vec<String> {
        let pod = json!({"metadata": {"annotations": {INJECT: inject}}});
        let blamed = blamed(Json::of(&pod).root(), &denial(message)).into_iter();
        blamed.map(String::from).collect()
    }

    #[test]
    fn who_is_named_by_the_pod_and_by_the_message_is_to_blame() {
        let message = "Injection `db` names the container `app`, which the pod has not";
        assert_eq!(names(&json!("cache, db"), message), ["db"]);
        assert!(names(&json!("cache"), message).is_empty());
        assert!(names(&json!("d"), message).is_empty());
        let both = "Injection `db` and Injection `cache` both set the variable `A`";
        assert_eq!(names(&json!("db,cache"), both), ["db", "cache"]);
    }

    #[test]
    fn a_malformed_pod_blames_nobody() {
        assert!(names(&json!(7), "Injection `db`").is_empty());
        assert!(names(&json!(",`,Injection `db`"), "Injection `db`").is_empty());
        assert!(
            blamed(
                Json::of(&json!({"metadata": []})).root(),
                &denial("Injection `db`")
            )
            .is_empty()
        );
    }

    #[test]
    fn a_flood_is_cut_off_and_never_waited_for() {
        let metrics = Arc::new(Metrics::register(&mut Registry::default()));
        let (refusals, mut refused) = queue(metrics);
        let pod = json!({"metadata": {"annotations": {INJECT: "db"}}});
        for _ in 0..10 * WAITING {
            refusals.tell(
                &"shop".parse().unwrap(),
                &Json::of(&pod),
                &denial("Injection `db` is broken"),
            );
        }
        drop(refusals);
        let told = std::iter::from_fn(|| refused.try_recv().ok()).count();
        assert_eq!(told, WAITING);
    }
}
