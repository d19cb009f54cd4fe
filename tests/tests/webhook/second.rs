//! A second webhook, which is called after ours and adds a sidecar to every pod of one namespace.

use std::sync::Arc;

use anyhow::Result;
use axum::Router;
use axum::routing::post;
use esi_core::SystemClock;
use esi_runtime::{Listener, Metrics, ServeLimits, ServerTls, Shutdown, TlsSource, serve};
use esi_tests::eventually;
use esi_tests::kubernetes::{Cluster, Namespace, apply};
use prometheus_client::registry::Registry;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::pods::{names, pod};

/// What it does besides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Besides {
    Nothing,
    /// It takes our init container out.
    TakesOurInitContainer,
}

/// Serves as long as it lives.
pub(crate) struct Second {
    _dir: TempDir,
    shutdown: Shutdown,
}

impl Drop for Second {
    fn drop(&mut self) {
        self.shutdown.trigger();
    }
}

impl Second {
    /// Registered for this namespace, and called.
    pub(crate) async fn start(cluster: &Cluster, namespace: &Namespace, besides: Besides) -> Result<Self> {
        let dir = tempfile::tempdir()?;
        let identity = cluster.certificate(&["127.0.0.1"])?;
        let (certificate, key) = (dir.path().join("tls.crt"), dir.path().join("tls.key"));
        std::fs::write(&certificate, identity.certificate)?;
        std::fs::write(&key, identity.key)?;
        let metrics = Metrics::register(&mut Registry::default());
        let source = TlsSource::Files { certificate, key };
        let (tls, _reloader) = ServerTls::open(source, Arc::new(SystemClock), &metrics)?;
        let listener = Listener::bind("127.0.0.1:0".parse()?)?;
        let url = format!("https://{}/", listener.local_addr());
        let router = Router::new().route(
            "/",
            post(async move |axum::Json(review): axum::Json<Value>| axum::Json(answer(&review, besides))),
        );
        let shutdown = Shutdown::new();
        let stop = shutdown.clone();
        tokio::spawn(serve(
            listener,
            tls,
            router,
            ServeLimits::default(),
            metrics,
            stop,
        ));
        apply(
            namespace.client(),
            &registration(&url, cluster.ca(), namespace.name()),
        )
        .await?;
        eventually("the second webhook is called", async || {
            let stored = namespace.dry_run(&pod("probe", &[])).await.unwrap();
            stored["spec"]["containers"].as_array().unwrap().len() == 2
        })
        .await;
        Ok(Self { _dir: dir, shutdown })
    }
}

fn registration(url: &str, ca: &str, namespace: &str) -> Value {
    use base64::Engine as _;
    json!({
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "MutatingWebhookConfiguration",
        // Registrations are called in the order of their names.
        "metadata": { "name": format!("z-after-ours-in-{namespace}") },
        "webhooks": [{
            "name": "sidecar.example.com",
            "admissionReviewVersions": ["v1"],
            "clientConfig": { "url": url, "caBundle": base64::engine::general_purpose::STANDARD.encode(ca) },
            "rules": [{ "apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"], "operations": ["CREATE"] }],
            "namespaceSelector": { "matchLabels": { "kubernetes.io/metadata.name": namespace } },
            "sideEffects": "None"
        }]
    })
}

fn answer(review: &Value, besides: Besides) -> Value {
    use base64::Engine as _;
    let request = &review["request"];
    let spec = &request["object"]["spec"];
    let mut response = json!({ "uid": request["uid"], "allowed": true });
    if !names(&spec["containers"]).contains(&"sidecar".to_owned()) {
        let mut sidecar = spec["containers"][0].clone();
        sidecar["name"] = json!("sidecar");
        for field in ["volumeMounts", "env"] {
            sidecar.as_object_mut().unwrap().remove(field);
        }
        let mut patch = vec![json!({ "op": "add", "path": "/spec/containers/-", "value": sidecar })];
        if besides == Besides::TakesOurInitContainer && names(&spec["initContainers"]) == ["esi-init"] {
            patch.push(json!({ "op": "remove", "path": "/spec/initContainers/0" }));
        }
        response["patchType"] = json!("JSONPatch");
        response["patch"] = json!(base64::engine::general_purpose::STANDARD.encode(json!(patch).to_string()));
    }
    json!({ "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response })
}
