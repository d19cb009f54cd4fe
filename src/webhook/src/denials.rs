//! What the log says of denied pods: who asked, and for what reason; never what is in the pod.
//!
//! A controller that cannot create its pods tries for ever, and anybody may create pods: a line for each denial would
//! let them fill the log's disk, so that there is a quota. All are counted.

use esi_core::names::Namespace;
use esi_runtime::LogQuota;

use crate::admission::Denial;
use crate::json::{Json, Value};

/// Most characters of a name: Kubernetes' own bound.
const MAX_NAME: usize = 253;

/// Writes denials to the log.
#[derive(Debug, Default)]
pub struct Denials(LogQuota<&'static str>);

impl Denials {
    /// A pod was denied.
    pub fn tell(&self, namespace: &Namespace, pod: &Json<'_>, denial: &Denial) {
        let Some(left_out) = self.0.admit(denial.reason) else {
            return;
        };
        // Said only where there is something to say.
        let left_out = (left_out > 0).then_some(left_out);
        let (pod, owner) = (name(pod.root()), owner(pod.root()));
        tracing::info!(event = "denied", reason = denial.reason, %namespace, pod, owner, left_out);
    }
}

/// What the pod is called, or will be called with some letters more.
fn name(pod: Value<'_>) -> Option<String> {
    let metadata = pod.get("metadata")?;
    let name = metadata.get("name").or_else(|| metadata.get("generateName"))?;
    Some(shown(name.as_str()?))
}

/// `Kind/name` of the controller that makes it.
fn owner(pod: Value<'_>) -> Option<String> {
    let owners = pod.get("metadata")?.get("ownerReferences")?.as_list()?;
    let owner = owners
        .elements()
        .find(|owner| owner.get("controller").and_then(Value::as_bool) == Some(true))?;
    let text = |key| owner.get(key).and_then(Value::as_str).unwrap_or_default();
    Some(shown(&format!("{}/{}", text("kind"), text("name"))))
}

/// Names of the review are whatever its sender wrote.
fn shown(name: &str) -> String {
    name.chars().take(MAX_NAME).flat_map(char::escape_debug).collect()
}
