//! What the API server refuses by itself, while no webhook runs.

use esi_tests::eventually;
use esi_tests::kubernetes::{Cluster, Manifests, Namespace, deploy};
use kube::api::{DeleteParams, Patch, PatchParams};
use serde_json::{Value, json};
use tokio::sync::OnceCell;

use super::pods::{MARK, injected, pod, refusal};

/// A cluster with the policies, where the registration of the webhook is missing.
async fn unregistered() -> &'static Cluster {
    static CLUSTER: OnceCell<Cluster> = OnceCell::const_new();
    let make = async || {
        let cluster = Cluster::start().await.unwrap();
        let client = cluster.admin().await.unwrap();
        let policies = Manifests::of_kustomization(&deploy("webhook"))
            .unwrap()
            .only(|it| {
                it["kind"]
                    .as_str()
                    .unwrap()
                    .starts_with("ValidatingAdmissionPolicy")
            });
        policies.apply(&client).await.unwrap();
        // They are in force a moment later.
        let probe = cluster.namespace(&[]).await.unwrap();
        let refused = async |pod: &Value| probe.dry_run(pod).await.is_err();
        let asks = pod("probe", &[("esi.external-secrets.io/inject", "db")]);
        eventually("the policies are in force", async || refused(&asks).await).await;
        cluster
    };
    CLUSTER.get_or_init(make).await
}

async fn namespace() -> Namespace {
    unregistered().await.namespace(&[]).await.unwrap()
}

#[tokio::test]
async fn a_pod_that_asked_does_not_start_where_the_registration_is_missing() {
    let namespace = namespace().await;
    let asks = pod("app", &[("esi.external-secrets.io/inject", "db")]);
    let told = refusal(namespace.create(&asks).await);
    assert!(
        told.contains("an administrator must apply the MutatingWebhookConfiguration esi-webhook again"),
        "{told}"
    );
    let skipped = [
        ("esi.external-secrets.io/inject", "db"),
        ("esi.external-secrets.io/skip", "true"),
    ];
    namespace.create(&pod("skipped", &skipped)).await.unwrap();
    namespace.create(&pod("did-not-ask", &[])).await.unwrap();
    namespace.create(&injected(asks)).await.unwrap();
}

#[tokio::test]
async fn a_pod_that_asked_is_refused_in_a_namespace_that_is_not_served() {
    let cluster = unregistered().await;
    let system = cluster.existing_namespace("kube-system").await.unwrap();
    let asks = pod("app", &[("esi.external-secrets.io/inject", "db")]);
    let told = refusal(system.dry_run(&asks).await);
    assert!(
        told.contains("pods of namespace kube-system are not served"),
        "{told}"
    );
}

#[tokio::test]
async fn the_mark_of_a_pod_stays() {
    let namespace = namespace().await;
    let asks = pod("app", &[("esi.external-secrets.io/inject", "db")]);
    namespace.create(&injected(asks)).await.unwrap();
    namespace.create(&pod("other", &[])).await.unwrap();
    let label = |value: Value| json!({ "metadata": { "labels": { MARK: value } } });
    let annotation = |value: Value| json!({ "metadata": { "annotations": { MARK: value } } });
    eventually("the second policy is in force", async || {
        namespace.patch("app", &label(json!(null))).await.is_err()
    })
    .await;
    for (name, patch) in [
        ("app", label(json!(null))),
        ("app", label(json!("false"))),
        ("app", annotation(json!(null))),
        ("app", annotation(json!("1:ff"))),
        ("other", label(json!("true"))),
        ("other", annotation(json!("1:ff"))),
    ] {
        let told = refusal(namespace.patch(name, &patch).await);
        assert!(told.contains("leave it as it is"), "{name} {patch}: {told}");
        let told = refusal(namespace.patch_status(name, &patch).await);
        assert!(
            told.contains("leave it as it is"),
            "{name} {patch} by status: {told}"
        );
    }
}

#[tokio::test]
async fn everything_else_of_a_pod_can_change() {
    let namespace = namespace().await;
    let mut asks = pod("app", &[("esi.external-secrets.io/inject", "db")]);
    asks["metadata"]["finalizers"] = json!(["example.com/hold"]);
    namespace.create(&injected(asks)).await.unwrap();
    for patch in [
        json!({ "metadata": { "labels": { "example.com/a": "b" } } }),
        json!({ "metadata": { "annotations": { "esi.external-secrets.io/inject": "other" } } }),
        json!({ "metadata": { "annotations": { "esi.external-secrets.io/inject": null } } }),
    ] {
        namespace.patch("app", &patch).await.unwrap();
    }
    let running = json!({ "status": { "phase": "Running" } });
    namespace.patch_status("app", &running).await.unwrap();
    let debugger = json!({ "spec": { "ephemeralContainers": [{ "name": "debugger", "image": "app:1" }] } });
    let (parameters, debugger) = (PatchParams::default(), Patch::Strategic(debugger));
    let pods = namespace.pods();
    pods.patch_subresource("ephemeralcontainers", "app", &parameters, &debugger)
        .await
        .unwrap();
    namespace
        .pods()
        .delete("app", &DeleteParams::default())
        .await
        .unwrap();
    let released = json!({ "metadata": { "finalizers": null } });
    namespace.patch("app", &released).await.unwrap();
}

/// As many annotations as fit into a pod must not exhaust what an expression may cost: it would fail every such pod.
#[tokio::test]
async fn a_pod_full_of_annotations_is_left_alone() {
    let namespace = namespace().await;
    let names: Vec<String> = (0..40_000).map(|n| format!("a{n:x}")).collect();
    let annotations: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "")).collect();
    namespace.create(&pod("full", &annotations)).await.unwrap();
}
