//! Injections that the API server itself refuses, with the line to write: a person sees it at `kubectl apply`.

use rstest::rstest;
use serde_json::{Value, json};

use super::server;

fn injection(change: impl Fn(&mut Value)) -> Value {
    let mut injection = json!({
        "apiVersion": "esi.external-secrets.io/v1alpha1",
        "kind": "Injection",
        "metadata": { "name": "db" },
        "spec": {
            "source": { "generator": { "kind": "Fake", "namespace": "platform", "name": "shop" } },
            "env": [{ "name": "DB_USER", "key": "username" }],
            "files": [{ "path": "db.json", "format": "json" }, { "path": "password", "key": "password", "mode": "0400" }]
        }
    });
    change(&mut injection);
    injection
}

#[rstest]
#[case::as_it_is(injection(|_| {}))]
#[case::with_everything(injection(|it| {
    let more = json!({
        "server": "default", "ttl": "1h", "overlap": "5m", "delivery": "init", "envMethod": "file", "mountPath": "/etc/db",
        "containers": ["app"]
    });
    it["spec"].as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
}))]
#[case::of_all_keys(injection(|it| it["spec"] = json!({
    "source": it["spec"]["source"], "allKeys": true, "envMethod": "exec"
})))]
#[tokio::test]
async fn an_injection_is_accepted(#[case] injection: Value) {
    let namespace = server::shared().await.namespace(&[]).await.unwrap();
    namespace.apply(injection).await.unwrap();
}

#[rstest]
#[case::of_two_sources(
    injection(|it| it["spec"]["source"]["secret"] = json!({ "storeKind": "SecretStore", "store": "s", "key": "k" })),
    "write exactly one of `generator` and `secret`"
)]
#[case::with_a_variable_of_two_values(
    injection(|it| it["spec"]["env"][0]["template"] = json!("x")), "write exactly one of `key` and `template`"
)]
#[case::with_a_file_of_two_forms(
    injection(|it| it["spec"]["files"][0]["key"] = json!("x")), "write exactly one of `format`, `key` and `template`"
)]
#[case::that_shows_nothing(
    injection(|it| it["spec"] = json!({ "source": it["spec"]["source"] })), "nothing would be shown"
)]
#[case::of_all_keys_in_a_file(
    injection(|it| it["spec"]["allKeys"] = json!(true)), "Kubernetes wants the name of every variable beforehand"
)]
#[case::that_lives_too_long(injection(|it| it["spec"]["ttl"] = json!("2161h")), "write 1s to 2160h")]
#[case::with_a_dot_in_its_name(
    injection(|it| it["metadata"]["name"] = json!("a.b")), "write a name of at most 59 characters without dots"
)]
#[case::with_an_unknown_field(injection(|it| it["spec"]["fils"] = json!([])), "fils: field not declared in schema")]
#[tokio::test]
async fn an_injection_is_refused(#[case] injection: Value, #[case] expected: &str) {
    let namespace = server::shared().await.namespace(&[]).await.unwrap();
    let error = namespace.apply(injection).await.unwrap_err();
    let told = format!("{error:#}");
    assert!(told.contains(expected), "{told}");
}
