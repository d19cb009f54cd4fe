//! Annotations of a pod: one a line, its key by number or in full, then what it says.

#![no_main]

use libfuzzer_sys::fuzz_target;
use serde_json::{Map, Value, json};

/// What is read, so that the search need not find the names.
const KEYS: [&str; 24] = [
    "esi.external-secrets.io/inject",
    "esi.external-secrets.io/skip",
    "esi.external-secrets.io/generator",
    "esi.external-secrets.io/env",
    "esi.external-secrets.io/files",
    "esi.external-secrets.io/mount-path",
    "esi.external-secrets.io/containers",
    "esi.external-secrets.io/delivery",
    "esi.external-secrets.io/server",
    "esi.external-secrets.io/ttl",
    "esi.external-secrets.io/overlap",
    "esi.external-secrets.io/env-method",
    "esi.external-secrets.io/volume",
    "esi.external-secrets.io/init-position",
    "esi.external-secrets.io/injected",
    "secretless.externalsecrets.com/skip",
    "secretless.externalsecrets.com/inject-on-env",
    "secretless.externalsecrets.com/inject-on-file",
    "secretless.externalsecrets.com/env-vars",
    "secretless.externalsecrets.com/file-secrets",
    "secretless.externalsecrets.com/federated-generators",
    "secretless.externalsecrets.com/federated-store",
    "secretless.externalsecrets.com/federated-server-url",
    "secretless.externalsecrets.com/env-method",
];

fuzz_target!(|text: &str| {
    let mut annotations = Map::new();
    for line in text.split('\n').take(32) {
        let (key, value) = line.split_once('=').unwrap_or((line, ""));
        let named = key.parse::<usize>().ok().and_then(|number| KEYS.get(number));
        annotations.insert(named.map_or(key, |name| name).to_owned(), Value::from(value));
    }
    esi_fuzz::check(&json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"generateName": "web-", "annotations": annotations},
        "spec": {
            "initContainers": [
                {"name": "setup", "image": "setup:1"},
                {"name": "istio-proxy", "image": "proxy:1", "restartPolicy": "Always"}
            ],
            "containers": [
                {"name": "app", "image": "app:1", "command": ["/app"], "env": [{"name": "DB_USER", "value": "x"}]},
                {"name": "web", "image": "web:1", "securityContext": {"runAsUser": 1000}}
            ],
            "volumes": [{"name": "data", "emptyDir": {}}]
        }
    }));
});
