//! `caBundle` of the MutatingWebhookConfiguration: whom the API server trusts.

use json_patch::{AddOperation, Patch as Operations, PatchOperation, TestOperation};
use k8s_openapi::api::admissionregistration::v1::MutatingWebhookConfiguration;
use kube::api::{Api, Patch, PatchParams};
use serde_json::{Value, json};

/// The configuration in the cluster.
#[derive(Debug, Clone)]
pub(super) struct Bundle {
    api: Api<MutatingWebhookConfiguration>,
    name: String,
}

impl Bundle {
    pub(super) fn new(client: kube::Client, name: String) -> Self {
        Self {
            api: Api::all(client),
            name,
        }
    }

    /// Has every webhook of the configuration trust `pem`. False where there is no such configuration (yet), or somebody
    /// else changed it meanwhile: try again.
    pub(super) async fn put(&self, pem: &str) -> Result<bool, kube::Error> {
        let Some(configuration) = self.api.get_opt(&self.name).await? else {
            return Ok(false);
        };
        let operations = missing(&configuration, pem);
        if operations.is_empty() {
            return Ok(configuration
                .webhooks
                .is_some_and(|webhooks| !webhooks.is_empty()));
        }
        let patch = Patch::Json::<()>(Operations(operations));
        match self.api.patch(&self.name, &PatchParams::default(), &patch).await {
            Ok(_) => Ok(true),
            // 422: a test operation failed, so what was read is old. 404 and 409 are as temporary.
            Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409 | 422) => Ok(false),
            Err(error) => Err(error),
        }
    }
}

/// What must change, against the very version that was read.
fn missing(configuration: &MutatingWebhookConfiguration, pem: &str) -> Vec<PatchOperation> {
    let webhooks = configuration.webhooks.as_deref().unwrap_or_default();
    let wrong = webhooks.iter().enumerate().filter(|(_, webhook)| {
        let bundle = webhook.client_config.ca_bundle.as_ref();
        bundle.is_none_or(|bundle| bundle.0 != pem.as_bytes())
    });
    let mut operations: Vec<_> = wrong
        .filter_map(|(index, _)| {
            let path = format!("/webhooks/{index}/clientConfig/caBundle").parse().ok()?;
            let value = json!(k8s_openapi::ByteString(pem.as_bytes().to_vec()));
            Some(PatchOperation::Add(AddOperation { path, value }))
        })
        .collect();
    if !operations.is_empty() {
        let version = configuration.metadata.resource_version.clone();
        if let (Ok(path), Some(version)) = ("/metadata/resourceVersion".parse(), version) {
            let value = Value::String(version);
            operations.insert(0, PatchOperation::Test(TestOperation { path, value }));
        }
    }
    operations
}
