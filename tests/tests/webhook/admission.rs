//! A pod that asks, from its manifest to what the API server stores.

use esi_tests::kubernetes::Namespace;
use kube::api::ListParams;
use serde_json::{Value, json};

use super::pods::{MARK, inline, names, pod, refusal, settled};
use super::second::{Besides, Second};
use super::server;

async fn namespace() -> Namespace {
    server::shared().await.namespace(&[]).await.unwrap()
}

#[tokio::test]
async fn a_pod_that_asks_is_stored_with_what_it_needs() {
    let namespace = namespace().await;
    let stored = namespace.create(&pod("app", &inline())).await.unwrap();
    assert!(stored["metadata"]["annotations"][MARK].is_string());
    assert_eq!(stored["metadata"]["labels"][MARK], "true");
    let spec = &stored["spec"];
    assert_eq!(names(&spec["initContainers"]), ["esi-init"]);
    assert_eq!(names(&spec["containers"]), ["app"]);
    let volumes = names(&spec["volumes"]);
    assert!(volumes.contains(&"esi-default".to_owned()), "{volumes:?}");
    assert!(volumes.contains(&"esi-token".to_owned()), "{volumes:?}");
    let mounts = spec["containers"][0]["volumeMounts"].as_array().unwrap();
    let mount = mounts.iter().find(|it| it["name"] == "esi-default").unwrap();
    assert_eq!(mount["mountPath"], "/var/run/secrets/esi/default");
    assert_eq!(mount["readOnly"], true);
    assert!(mounts.iter().all(|it| it["name"] != "esi-token"), "{mounts:?}");
}

#[tokio::test]
async fn a_dry_run_shows_what_would_be_stored_and_stores_nothing() {
    let namespace = namespace().await;
    let pod = pod("app", &inline());
    let shown = namespace.dry_run(&pod).await.unwrap();
    assert!(namespace.pods().get_opt("app").await.unwrap().is_none());
    let stored = namespace.create(&pod).await.unwrap();
    assert_eq!(settled(&shown)["spec"], settled(&stored)["spec"]);
}

#[tokio::test]
async fn a_pod_that_did_not_ask_is_stored_as_it_is() {
    let namespace = namespace().await;
    let stored = namespace
        .create(&pod("app", &[("example.com/a", "b")]))
        .await
        .unwrap();
    assert!(!stored.to_string().contains("esi"), "{stored}");
}

#[tokio::test]
async fn a_denial_tells_the_line_to_write() {
    let namespace = namespace().await;
    let misspelt = pod("app", &[("esi.external-secrets.io/injct", "db")]);
    let told = refusal(namespace.create(&misspelt).await);
    assert!(
        told.contains("admission webhook \"pods.esi.external-secrets.io\" denied the request"),
        "{told}"
    );
    assert!(
        told.contains("esi.external-secrets.io/injct") && told.contains("inject"),
        "{told}"
    );
    assert!(
        namespace
            .pods()
            .list(&ListParams::default())
            .await
            .unwrap()
            .items
            .is_empty()
    );
}

#[tokio::test]
async fn a_copy_of_an_injected_pod_stays_as_it_is() {
    let namespace = namespace().await;
    let stored = namespace.create(&pod("app", &inline())).await.unwrap();
    let mut copy = pod("copy", &[]);
    for field in ["annotations", "labels"] {
        copy["metadata"][field] = stored["metadata"][field].clone();
    }
    copy["spec"] = stored["spec"].clone();
    let copied = namespace.create(&copy).await.unwrap();
    assert_eq!(copied["spec"], stored["spec"]);
    assert_eq!(
        copied["metadata"]["annotations"],
        stored["metadata"]["annotations"]
    );
}

#[tokio::test]
async fn a_sidecar_that_another_webhook_adds_afterwards_changes_nothing_of_ours() {
    let cluster = server::shared().await;
    let namespace = namespace().await;
    let alone = namespace.dry_run(&pod("app", &inline())).await.unwrap();
    let _second = Second::start(cluster, &namespace, Besides::Nothing)
        .await
        .unwrap();
    let both = namespace.create(&pod("app", &inline())).await.unwrap();
    assert_eq!(names(&both["spec"]["containers"]), ["app", "sidecar"]);
    assert_eq!(ours(&both), ours(&alone));
}

/// The API server asks ours again, since another one changed the pod after it.
#[tokio::test]
async fn what_another_webhook_takes_out_afterwards_is_put_back() {
    let cluster = server::shared().await;
    let namespace = namespace().await;
    let alone = namespace.dry_run(&pod("app", &inline())).await.unwrap();
    let _second = Second::start(cluster, &namespace, Besides::TakesOurInitContainer)
        .await
        .unwrap();
    let both = namespace.create(&pod("app", &inline())).await.unwrap();
    assert_eq!(names(&both["spec"]["containers"]), ["app", "sidecar"]);
    assert_eq!(names(&both["spec"]["initContainers"]), ["esi-init"]);
    assert_eq!(both["metadata"]["annotations"], alone["metadata"]["annotations"]);
}

/// All of a pod that is ours.
fn ours(pod: &Value) -> Value {
    let pod = settled(pod);
    let named = |list: &Value| -> Vec<Value> {
        let entries = list.as_array().into_iter().flatten();
        entries
            .filter(|it| it["name"].as_str().unwrap().starts_with("esi-"))
            .cloned()
            .collect()
    };
    json!({
        "annotations": pod["metadata"]["annotations"],
        "labels": pod["metadata"]["labels"],
        "initContainers": named(&pod["spec"]["initContainers"]),
        "volumes": named(&pod["spec"]["volumes"]),
        "mounts": named(&pod["spec"]["containers"][0]["volumeMounts"]),
    })
}

/// Each class is told by the API server itself.
#[tokio::test]
async fn a_pod_keeps_its_quality_of_service() {
    let namespace = namespace().await;
    for (class, resources) in [
        ("BestEffort", json!({})),
        ("Burstable", json!({ "requests": { "memory": "64Mi" } })),
        (
            "Guaranteed",
            json!({ "limits": { "cpu": "1", "memory": "64Mi" } }),
        ),
    ] {
        let name = class.to_lowercase();
        let mut pod = pod(&name, &inline());
        pod["spec"]["containers"][0]["resources"] = resources;
        let stored = namespace.create(&pod).await.unwrap();
        assert_eq!(stored["status"]["qosClass"], class);
    }
}

#[tokio::test]
async fn a_pod_of_a_restricted_namespace_is_admitted() {
    let restricted = [("pod-security.kubernetes.io/enforce", "restricted")];
    let namespace = server::shared().await.namespace(&restricted).await.unwrap();
    namespace.create(&pod("app", &inline())).await.unwrap();
    let mut unfit = pod("unfit", &inline());
    unfit["spec"]["containers"][0]
        .as_object_mut()
        .unwrap()
        .remove("securityContext");
    let told = refusal(namespace.create(&unfit).await);
    assert!(
        told.contains("violates PodSecurity") && !told.contains("esi-init"),
        "{told}"
    );
}

#[tokio::test]
async fn a_pod_within_a_quota_is_admitted() {
    let namespace = namespace().await;
    let hard =
        json!({ "requests.cpu": "2", "requests.memory": "1Gi", "limits.cpu": "2", "limits.memory": "1Gi" });
    let quota = json!({
        "apiVersion": "v1", "kind": "ResourceQuota", "metadata": { "name": "all" }, "spec": { "hard": hard }
    });
    namespace.apply(quota).await.unwrap();
    // Without resources of their own: the quota asks for them, the defaults give them.
    let defaults = json!({ "type": "Container", "default": { "cpu": "100m", "memory": "64Mi" } });
    let limits = json!({
        "apiVersion": "v1", "kind": "LimitRange", "metadata": { "name": "all" }, "spec": { "limits": [defaults] }
    });
    namespace.apply(limits).await.unwrap();
    esi_tests::eventually("the quota is counted", async || {
        namespace.dry_run(&pod("probe", &[])).await.is_ok()
    })
    .await;
    let stored = namespace.create(&pod("app", &inline())).await.unwrap();
    assert_eq!(stored["status"]["qosClass"], "Guaranteed");
}
