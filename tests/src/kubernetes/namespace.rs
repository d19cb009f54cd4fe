//! A namespace of a test, and pods in it as raw JSON: what the API server stores is what is looked at.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::Result;
use k8s_openapi::api::core::v1::{Namespace as Object, Pod, ServiceAccount};
use kube::api::{ApiResource, DynamicObject, Patch, PatchParams, PostParams};
use kube::runtime::wait::await_condition;
use kube::{Api, Client, Error};
use serde_json::{Value, json};

use super::manifests;

/// A namespace that no other test uses.
#[derive(Clone)]
pub struct Namespace {
    client: Client,
    name: String,
    _logs: Arc<Logs>,
}

/// Shows the ends of a cluster's logs if the test fails.
struct Logs(PathBuf);

impl Drop for Logs {
    fn drop(&mut self) {
        if std::thread::panicking() {
            for (file, text) in super::logs(&self.0) {
                let lines: Vec<&str> = text.lines().collect();
                let end = &lines[lines.len().saturating_sub(10)..];
                eprintln!("--- the end of {file}\n{}", end.join("\n"));
            }
        }
    }
}

impl Namespace {
    pub(super) async fn make(client: Client, logs: &Path, labels: &[(&str, &str)]) -> Result<Self> {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let name = format!("test-{}", NEXT.fetch_add(1, Ordering::Relaxed));
        let labels: BTreeMap<&str, &str> = labels.iter().copied().collect();
        let object: Object =
            serde_json::from_value(json!({ "metadata": { "name": name, "labels": labels } }))?;
        Api::all(client.clone())
            .create(&PostParams::default(), &object)
            .await?;
        // No pod can be made before it is there.
        let accounts: Api<ServiceAccount> = Api::namespaced(client.clone(), &name);
        await_condition(accounts, "default", |it: Option<&ServiceAccount>| it.is_some()).await?;
        Ok(Self::of(client, logs, &name))
    }

    /// One that is there.
    pub(super) fn of(client: Client, logs: &Path, name: &str) -> Self {
        Self {
            client,
            name: name.to_owned(),
            _logs: Arc::new(Logs(logs.to_owned())),
        }
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The client of its maker, who may do anything.
    #[must_use]
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Applies a manifest in it.
    pub async fn apply(&self, mut manifest: Value) -> Result<DynamicObject> {
        manifest["metadata"]["namespace"] = json!(self.name);
        manifests::apply(&self.client, &manifest).await
    }

    /// Makes a pod; what was stored.
    pub async fn create(&self, pod: &Value) -> Result<Value, Error> {
        self.create_with(pod, &PostParams::default()).await
    }

    /// What would be stored.
    pub async fn dry_run(&self, pod: &Value) -> Result<Value, Error> {
        let parameters = PostParams {
            dry_run: true,
            ..PostParams::default()
        };
        self.create_with(pod, &parameters).await
    }

    async fn create_with(&self, pod: &Value, parameters: &PostParams) -> Result<Value, Error> {
        let pod: DynamicObject = serde_json::from_value(pod.clone()).map_err(Error::SerdeError)?;
        raw(&self.pods().create(parameters, &pod).await?)
    }

    /// The stored pod.
    pub async fn pod(&self, name: &str) -> Result<Value, Error> {
        raw(&self.pods().get(name).await?)
    }

    /// Changes a pod by a merge patch; what was stored.
    pub async fn patch(&self, name: &str, patch: &Value) -> Result<Value, Error> {
        let parameters = PatchParams::default();
        raw(&self.pods().patch(name, &parameters, &Patch::Merge(patch)).await?)
    }

    /// Changes a pod's status, as kubelet would.
    pub async fn patch_status(&self, name: &str, patch: &Value) -> Result<Value, Error> {
        let parameters = PatchParams::default();
        let pods = self.pods();
        raw(&pods.patch_status(name, &parameters, &Patch::Merge(patch)).await?)
    }

    /// Its pods, whole.
    #[must_use]
    pub fn pods(&self) -> Api<DynamicObject> {
        let resource = ApiResource::erase::<Pod>(&());
        Api::namespaced_with(self.client.clone(), &self.name, &resource)
    }
}

fn raw(pod: &DynamicObject) -> Result<Value, Error> {
    serde_json::to_value(pod).map_err(Error::SerdeError)
}
