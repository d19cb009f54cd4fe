//! What the webhook sees of the cluster, and what it tells there.

use esi_tests::eventually;
use esi_tests::kubernetes::{Cluster, Namespace};
use k8s_openapi::api::core::v1::Node;
use k8s_openapi::api::events::v1::Event;
use kube::Api;
use kube::api::{ApiResource, DeleteParams, DynamicObject, GroupVersionKind, ListParams, PostParams};
use serde_json::{Value, json};

use super::pods::{names, pod, refusal};
use super::server::{self, Certificates, Webhook};

const INJECT: &str = "esi.external-secrets.io/inject";

/// An Injection for the container `app`, of this server.
fn injection(server: &str) -> Value {
    json!({
        "apiVersion": "esi.external-secrets.io/v1alpha1",
        "kind": "Injection",
        "metadata": { "name": "db" },
        "spec": {
            "source": { "generator": { "kind": "Fake", "namespace": "platform", "name": "shop" } },
            "server": server,
            "files": [{ "path": "db.json", "format": "json" }],
            "containers": ["app"]
        }
    })
}

/// Its condition `Ready`, once it speaks of the generation that is stored.
async fn ready(namespace: &Namespace) -> Option<Value> {
    let kind = GroupVersionKind::gvk("esi.external-secrets.io", "v1alpha1", "Injection");
    let resource = ApiResource::from_gvk(&kind);
    let api: Api<DynamicObject> =
        Api::namespaced_with(namespace.client().clone(), namespace.name(), &resource);
    let injection = api.get("db").await.unwrap();
    let status = &injection.data["status"];
    let conditions = status["conditions"].as_array()?;
    let ready = conditions.iter().find(|it| it["type"] == "Ready")?;
    (status["observedGeneration"] == json!(injection.metadata.generation)).then(|| ready.clone())
}

async fn eventually_ready(namespace: &Namespace, status: &str) -> Value {
    eventually("the Injection's status is written", async || {
        ready(namespace)
            .await
            .is_some_and(|ready| ready["status"] == status)
    })
    .await;
    ready(namespace).await.unwrap()
}

#[tokio::test]
async fn an_injection_that_comes_late_is_used_and_its_status_says_so() {
    let namespace = server::shared().await.namespace(&[]).await.unwrap();
    let asks = pod("app", &[(INJECT, "db")]);
    let told = refusal(namespace.create(&asks).await);
    assert!(told.contains("does not exist") && told.contains("yet"), "{told}");
    namespace.apply(injection("default")).await.unwrap();
    let told = eventually_ready(&namespace, "True").await;
    assert_eq!(told["reason"], "Accepted");
    let stored = namespace.create(&asks).await.unwrap();
    let volumes = names(&stored["spec"]["volumes"]);
    assert!(volumes.contains(&"esi-db".to_owned()), "{volumes:?}");
}

#[tokio::test]
async fn the_status_says_what_is_wrong_and_that_it_was_mended() {
    let namespace = server::shared().await.namespace(&[]).await.unwrap();
    namespace.apply(injection("mars")).await.unwrap();
    let told = eventually_ready(&namespace, "False").await;
    assert_eq!(told["reason"], "UnknownServer");
    let message = told["message"].as_str().unwrap();
    assert!(
        message.contains("`mars`") && message.contains("default"),
        "{message}"
    );
    namespace.apply(injection("default")).await.unwrap();
    eventually_ready(&namespace, "True").await;
}

#[tokio::test]
async fn who_wrote_an_injection_sees_in_an_event_why_a_pod_is_refused() {
    let namespace = server::shared().await.namespace(&[]).await.unwrap();
    let events: Api<Event> = Api::namespaced(namespace.client().clone(), namespace.name());
    namespace.apply(injection("default")).await.unwrap();
    eventually_ready(&namespace, "True").await;
    let mut asks = pod("web", &[(INJECT, "db")]);
    asks["spec"]["containers"][0]["name"] = json!("web");
    // A dry run leaves no trace: of both refusals, one Event is of the second alone.
    let told = refusal(namespace.dry_run(&asks).await);
    assert!(
        told.contains("Injection `db` names the container `app`"),
        "{told}"
    );
    refusal(namespace.create(&asks).await);
    let refused = async || {
        let all = events.list(&ListParams::default()).await.unwrap().items;
        all.into_iter()
            .filter(|event| event.reason.as_deref() == Some("PodRefused"))
            .collect::<Vec<_>>()
    };
    eventually("there is an Event", async || !refused().await.is_empty()).await;
    let [event] = &refused().await[..] else {
        panic!("one refusal was told more than once");
    };
    let regarding = event.regarding.as_ref().unwrap();
    assert_eq!(
        (regarding.kind.as_deref(), regarding.name.as_deref()),
        (Some("Injection"), Some("db"))
    );
    assert_eq!(event.type_.as_deref(), Some("Warning"));
    let note = event.note.as_deref().unwrap();
    assert!(note.contains("the container `app`"), "{note}");
}

/// The manifest lets it have 128 MiB. Anybody who may make Injections makes such ones; all are listed at its start.
#[tokio::test]
async fn a_start_beside_injections_as_large_as_the_api_server_takes_needs_little_memory() {
    let cluster = Cluster::start().await.unwrap();
    server::install(&cluster).await.unwrap();
    let namespace = cluster.namespace(&[]).await.unwrap();
    let template = "x".repeat(16 * 1024);
    let env: Vec<Value> = (0..80)
        .map(|n| json!({ "name": format!("V{n}"), "template": template }))
        .collect();
    for n in 0..60 {
        let mut large = injection("default");
        large["metadata"]["name"] = json!(format!("large-{n}"));
        large["spec"]["env"] = json!(env);
        namespace.apply(large).await.unwrap();
    }
    let webhook = Webhook::start(&cluster, Certificates::Own).await.unwrap();
    let asks = pod("app", &[(INJECT, "large-59")]);
    eventually("all are listed", async || {
        !refusal(namespace.dry_run(&asks).await).contains("does not exist")
    })
    .await;
    let peak = webhook.peak_memory();
    webhook.kill();
    assert!(peak < 96 * 1024, "{peak} KiB");
}

#[tokio::test]
async fn variables_are_refused_as_long_as_there_is_a_node_that_would_leave_them_empty() {
    let cluster = Cluster::start().await.unwrap();
    let webhook = Webhook::start(&cluster, Certificates::Own).await.unwrap();
    let namespace = cluster.namespace(&[]).await.unwrap();
    let asks = pod(
        "app",
        &[
            ("esi.external-secrets.io/generator", "Fake/platform/shop"),
            ("esi.external-secrets.io/env", "DB_USER=username"),
        ],
    );
    eventually("the cluster is known", async || {
        namespace.dry_run(&asks).await.is_ok()
    })
    .await;
    let nodes: Api<Node> = Api::all(namespace.client().clone());
    let old = |name: &str, labels: Value| -> Node {
        let info = json!({
            "kubeletVersion": "v1.33.1", "machineID": "", "systemUUID": "", "bootID": "", "kernelVersion": "",
            "osImage": "", "containerRuntimeVersion": "", "kubeProxyVersion": "", "operatingSystem": "",
            "architecture": ""
        });
        let node = json!({ "metadata": { "name": name, "labels": labels }, "status": { "nodeInfo": info } });
        serde_json::from_value(node).unwrap()
    };
    let make = async |node| nodes.create(&PostParams::default(), &node).await.unwrap();
    make(old("cloud", json!({ "type": "virtual-kubelet" }))).await;
    make(old("old", json!({}))).await;
    eventually("variables are refused", async || {
        namespace.dry_run(&asks).await.is_err()
    })
    .await;
    let told = refusal(namespace.create(&asks).await);
    assert!(told.contains("node `old`") && told.contains("v1.33.1"), "{told}");
    nodes.delete("old", &DeleteParams::default()).await.unwrap();
    // The virtual one stays, and is none.
    eventually("variables are given", async || {
        namespace.dry_run(&asks).await.is_ok()
    })
    .await;
    webhook.kill();
}
