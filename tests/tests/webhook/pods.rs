//! Pods of the tests.

use serde_json::{Value, json};

/// The prefix of our annotations.
pub(crate) const OURS: &str = "esi.external-secrets.io";
/// The prefix of the original's.
pub(crate) const ORIGINALS: &str = "secretless.externalsecrets.com";
/// What marks an injected pod: the name of an annotation and of a label.
pub(crate) const MARK: &str = "esi.external-secrets.io/injected";

/// A pod with one container and these annotations, fit for a `restricted` namespace.
pub(crate) fn pod(name: &str, annotations: &[(&str, &str)]) -> Value {
    let mut pod = json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": { "name": name },
        "spec": {
            "securityContext": {
                "runAsNonRoot": true, "runAsUser": 1000, "seccompProfile": { "type": "RuntimeDefault" }
            },
            "containers": [{
                "name": "app",
                "image": "app:1",
                "securityContext": { "allowPrivilegeEscalation": false, "capabilities": { "drop": ["ALL"] } }
            }]
        }
    });
    for (name, value) in annotations {
        pod["metadata"]["annotations"][name] = json!(value);
    }
    pod
}

/// The same as the webhook leaves one, as far as policies look.
pub(crate) fn injected(mut pod: Value) -> Value {
    pod["metadata"]["annotations"][MARK] = json!("1:0123456789abcdef");
    pod["metadata"]["labels"][MARK] = json!("true");
    pod["spec"]["volumes"] = json!([{ "name": "esi-default", "emptyDir": { "medium": "Memory" } }]);
    pod
}

/// Why the API server refused.
pub(crate) fn refusal(result: Result<Value, kube::Error>) -> String {
    match result {
        Err(kube::Error::Api(status)) => status.message.clone(),
        other => panic!("not refused: {other:?}"),
    }
}

/// Annotations that ask for a file, without an Injection.
pub(crate) fn inline() -> [(&'static str, &'static str); 2] {
    [
        ("esi.external-secrets.io/generator", "Fake/platform/shop"),
        ("esi.external-secrets.io/files", "db.json=json"),
    ]
}

/// The names in a list of containers or volumes.
pub(crate) fn names(list: &Value) -> Vec<String> {
    let entries = list.as_array().into_iter().flatten();
    entries
        .map(|it| it["name"].as_str().unwrap().to_owned())
        .collect()
}

/// A stored pod, but for the name that the API server gives the volume of its own token: a new one each time.
pub(crate) fn settled(pod: &Value) -> Value {
    let text = pod.to_string();
    let Some(at) = text.find("kube-api-access-") else {
        return pod.clone();
    };
    let name = &text[at..at + "kube-api-access-01234".len()];
    serde_json::from_str(&text.replace(name, "kube-api-access")).unwrap()
}
