//! The webhook is registered, and nobody answers.

use esi_tests::eventually;
use esi_tests::kubernetes::{Cluster, Namespace};
use k8s_openapi::api::batch::v1::Job;
use kube::Api;
use kube::api::{DeleteParams, ListParams};
use serde_json::{Value, json};
use tokio::sync::OnceCell;

use super::pods::{inline, pod, refusal};
use super::server::{self, Certificates, Webhook};

/// A cluster where pods that ask must wait.
struct Down {
    cluster: Cluster,
    /// The namespace of injected pods that were made while the webhook ran: `to-label`, `to-end`, and the one of the
    /// Job `work`.
    before: String,
}

impl Down {
    async fn shared() -> &'static Self {
        static SHARED: OnceCell<Down> = OnceCell::const_new();
        SHARED.get_or_init(Self::make).await
    }

    async fn make() -> Self {
        let cluster = Cluster::start().await.unwrap();
        let webhook = Webhook::start(&cluster, Certificates::Own).await.unwrap();
        let before = cluster.namespace(&[]).await.unwrap();
        for name in ["to-label", "to-end"] {
            let mut made = pod(name, &inline());
            made["metadata"]["finalizers"] = json!(["example.com/hold"]);
            before.create(&made).await.unwrap();
        }
        before.apply(job()).await.unwrap();
        eventually("the Job has its pod", async || {
            !pods_of_job(&before).await.is_empty()
        })
        .await;
        webhook.kill();
        server::await_calls(&before).await;
        let before = before.name().to_owned();
        Self { cluster, before }
    }

    async fn namespace(&self) -> Namespace {
        self.cluster.namespace(&[]).await.unwrap()
    }

    async fn before(&self) -> Namespace {
        self.cluster.existing_namespace(&self.before).await.unwrap()
    }
}

#[tokio::test]
async fn a_pod_that_asks_waits() {
    let namespace = Down::shared().await.namespace().await;
    let asks = pod("app", &[("esi.external-secrets.io/inject", "db")]);
    let told = refusal(namespace.create(&asks).await);
    assert!(told.contains("failed calling webhook"), "{told}");
}

#[tokio::test]
async fn a_pod_that_did_not_ask_does_not_wait() {
    let namespace = Down::shared().await.namespace().await;
    for (name, annotations) in [
        ("no-annotations", &[][..]),
        ("of-others", &[("example.com/inject", "db")]),
        (
            "skipped",
            &[
                ("esi.external-secrets.io/inject", "db"),
                ("esi.external-secrets.io/skip", "true"),
            ],
        ),
        (
            "the-originals-off",
            &[("secretless.externalsecrets.com/env-vars", "false")],
        ),
    ] {
        namespace.create(&pod(name, annotations)).await.unwrap();
    }
}

#[tokio::test]
async fn an_injected_pod_can_be_changed() {
    let before = Down::shared().await.before().await;
    let label = json!({ "metadata": { "labels": { "example.com/a": "b" } } });
    before.patch("to-label", &label).await.unwrap();
    let annotation = json!({ "metadata": { "annotations": { "example.com/a": "b" } } });
    before.patch("to-label", &annotation).await.unwrap();
    let running = json!({ "status": { "phase": "Running" } });
    before.patch_status("to-label", &running).await.unwrap();
}

/// As the Job controller does it: a patch of the pod, which is on its way out.
#[tokio::test]
async fn an_injected_pod_can_end() {
    let before = Down::shared().await.before().await;
    let pods = before.pods();
    pods.delete("to-end", &DeleteParams::default().grace_period(0))
        .await
        .unwrap();
    let ending = before.pod("to-end").await.unwrap();
    assert!(!ending["metadata"]["deletionTimestamp"].is_null());
    let released = json!({ "metadata": { "finalizers": null } });
    before.patch("to-end", &released).await.unwrap();
    eventually("it is gone", async || {
        before.pods().get_opt("to-end").await.unwrap().is_none()
    })
    .await;
}

/// One that the Job controller makes a pod of, with a finalizer of its own.
fn job() -> Value {
    let pod = pod("", &inline());
    let mut template =
        json!({ "metadata": { "annotations": pod["metadata"]["annotations"] }, "spec": pod["spec"] });
    template["spec"]["restartPolicy"] = json!("Never");
    json!({ "apiVersion": "batch/v1", "kind": "Job", "metadata": { "name": "work" }, "spec": { "template": template } })
}

async fn pods_of_job(namespace: &Namespace) -> Vec<Value> {
    let of_job = ListParams::default().labels("job-name=work");
    let pods = namespace.pods().list(&of_job).await.unwrap().items.into_iter();
    pods.map(|pod| serde_json::to_value(pod).unwrap()).collect()
}

#[tokio::test]
async fn a_job_ends() {
    let before = Down::shared().await.before().await;
    let [made] = pods_of_job(&before).await.try_into().unwrap();
    let made: Value = made;
    assert_eq!(
        made["metadata"]["finalizers"],
        json!(["batch.kubernetes.io/job-tracking"])
    );
    let name = made["metadata"]["name"].as_str().unwrap();
    let done = json!({ "status": { "phase": "Succeeded" } });
    before.patch_status(name, &done).await.unwrap();
    let jobs: Api<Job> = Api::namespaced(before.client().clone(), before.name());
    eventually("the Job is complete", async || {
        let status = jobs.get("work").await.unwrap().status.unwrap();
        status.succeeded == Some(1) && status.completion_time.is_some()
    })
    .await;
    let done = before.pod(name).await.unwrap();
    assert!(done["metadata"]["finalizers"].is_null(), "{}", done["metadata"]);
}
