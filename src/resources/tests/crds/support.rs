//! What the tests share.

use esi_resources::crd::{self, Crd};
use serde_json::{Value, json};

/// The definition of a kind.
pub(crate) fn definition(kind: &str) -> Crd {
    let all = crd::all();
    let found = all
        .into_iter()
        .find(|crd| crd.definition["spec"]["names"]["kind"] == kind);
    found.unwrap_or_else(|| panic!("there is no definition of {kind}"))
}

/// The schema of a kind.
pub(crate) fn schema(kind: &str) -> Value {
    definition(kind).definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"].clone()
}

/// An injection of this `spec`.
pub(crate) fn injection(spec: &Value) -> Value {
    json!({
        "apiVersion": "esi.external-secrets.io/v1alpha1",
        "kind": "Injection",
        "metadata": {"name": "db", "namespace": "shop"},
        "spec": spec,
    })
}
