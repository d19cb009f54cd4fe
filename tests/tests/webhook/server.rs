//! The webhook in a cluster: its manifests as they are shipped, and its process in its pods' place, with the rights of
//! its service account and at the address of its Service.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context as _, Result};
use esi_tests::eventually;
use esi_tests::federation::binary;
use esi_tests::kubernetes::{Cluster, Manifests, Namespace, deploy};
use esi_tests::process::Server;
use k8s_openapi::api::authentication::v1::TokenRequest;
use k8s_openapi::api::core::v1::{Service, ServiceAccount};
use kube::api::{Patch, PatchParams, PostParams};
use kube::{Api, Client};
use serde_json::{Value, json};
use tokio::sync::OnceCell;

use super::pods::pod;

/// Where the webhook and all that is its own live.
pub(crate) const SYSTEM: &str = "esi-system";
const NAME: &str = "esi-webhook";

/// Applies all manifests. Twice is as good as once.
pub(crate) async fn install(cluster: &Cluster) -> Result<()> {
    let client = cluster.admin().await?;
    Manifests::of_folder(&deploy("crds"))?.apply(&client).await?;
    Manifests::of_kustomization(&deploy("webhook"))?
        .apply(&client)
        .await
}

/// The shared cluster, with a webhook that runs.
pub(crate) async fn shared() -> &'static Cluster {
    shared_webhook().await.0
}

/// The same, and the webhook.
pub(crate) async fn shared_webhook() -> (&'static Cluster, &'static Webhook) {
    static WEBHOOK: OnceCell<Webhook> = OnceCell::const_new();
    let cluster = Cluster::shared().await;
    let start = async || Webhook::start(cluster, Certificates::Own).await.unwrap();
    (cluster, WEBHOOK.get_or_init(start).await)
}

/// Where the webhook's certificate comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Certificates {
    /// Its own authority, in a Secret: as it is shipped.
    Own,
    /// Files, and a bundle that the test keeps, in the place of cert-manager.
    Files,
}

/// A webhook that runs.
pub(crate) struct Webhook {
    process: Server,
}

impl Webhook {
    /// Installed, running, and called by the API server.
    pub(crate) async fn start(cluster: &Cluster, certificates: Certificates) -> Result<Self> {
        install(cluster).await?;
        let client = cluster.admin().await?;
        let address = service_address(&client).await?;
        let kubeconfig = written(cluster, "webhook.kubeconfig", &account(cluster, &client).await?)?;
        let configuration = written(cluster, "webhook.yaml", &configuration(cluster))?;
        let listen = format!("{address}:443");
        let mut arguments = vec![
            "serve",
            "--listen",
            &listen,
            "--admin-listen",
            "127.0.0.1:0",
            "--log-format",
            "json",
        ];
        let configuration = configuration.display().to_string();
        arguments.extend(["--config", &configuration]);
        let files;
        if certificates == Certificates::Files {
            let (certificate, key) = certify(cluster)?;
            trust(&client, cluster.ca()).await?;
            files = [certificate.display().to_string(), key.display().to_string()];
            arguments.extend(["--tls-cert", &files[0], "--tls-key", &files[1]]);
        }
        let log = cluster.dir().join("esi-webhook.log");
        let mut process = Server::start_with(
            "root",
            &binary("esi-webhook")?,
            &arguments,
            &[("KUBECONFIG", &kubeconfig.display().to_string())],
            &log,
        )?;
        process.wait_until("it listens", || {
            fs::read_to_string(&log).is_ok_and(|log| log.contains("\"listening\""))
        })?;
        let this = Self { process };
        // Trusted by the API server, and of knowledge of its Injections.
        await_told(&cluster.namespace(&[]).await?, &["denied the request: Injection"]).await;
        Ok(this)
    }

    /// Replaces its certificate, and waits until it is in use.
    pub(crate) async fn replace_certificate(&self, cluster: &Cluster) -> Result<()> {
        let served = || self.process.log().matches("serving a new certificate").count();
        let before = served();
        certify(cluster)?;
        eventually("it serves the new certificate", async || served() > before).await;
        Ok(())
    }

    /// Most memory that it ever had, in KiB.
    pub(crate) fn peak_memory(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process.pid())).unwrap();
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        peak.unwrap().trim().trim_end_matches(" kB").parse().unwrap()
    }

    /// Kills it; pods that ask wait from now on.
    pub(crate) fn kill(mut self) {
        self.process.kill().unwrap();
    }
}

/// Waits until the API server calls the webhook for pods of this namespace, whether or not anybody answers.
pub(crate) async fn await_calls(namespace: &Namespace) {
    await_told(namespace, &["calling webhook", "admission webhook"]).await;
}

/// Waits until a pod that names an Injection which nobody made is refused with one of these words.
async fn await_told(namespace: &Namespace, words: &[&str]) {
    let asks = pod("probe", &[("esi.external-secrets.io/inject", "nobody-made-this")]);
    eventually("the webhook is called", async || {
        let told = namespace.dry_run(&asks).await.map_err(|error| error.to_string());
        told.is_err_and(|told| words.iter().any(|word| told.contains(word)))
    })
    .await;
}

/// Writes a new certificate and its key, each whole at once.
fn certify(cluster: &Cluster) -> Result<(PathBuf, PathBuf)> {
    let identity = cluster.certificate(&[&format!("{NAME}.{SYSTEM}.svc")])?;
    let write = |name: &str, text: &str| -> Result<PathBuf> {
        let path = cluster.dir().join(name);
        fs::rename(written(cluster, "staged", text)?, &path)?;
        Ok(path)
    };
    let key = write("webhook.key", &identity.key)?;
    Ok((write("webhook.crt", &identity.certificate)?, key))
}

async fn service_address(client: &Client) -> Result<String> {
    let services: Api<Service> = Api::namespaced(client.clone(), SYSTEM);
    let spec = services.get(NAME).await?.spec;
    spec.and_then(|it| it.cluster_ip)
        .context("the Service has no address")
}

/// A kubeconfig of the webhook's service account.
async fn account(cluster: &Cluster, client: &Client) -> Result<String> {
    let accounts: Api<ServiceAccount> = Api::namespaced(client.clone(), SYSTEM);
    let request: TokenRequest = serde_json::from_value(json!({ "spec": { "audiences": [] } }))?;
    let answer = accounts
        .create_token_request(NAME, &PostParams::default(), &request)
        .await?;
    let token = answer
        .status
        .and_then(|it| it.token)
        .context("no token was given")?;
    Ok(cluster.kubeconfig_with(&token))
}

fn configuration(cluster: &Cluster) -> String {
    json!({
        "servers": { "default": { "url": "https://esi-federation.esi-system.svc:8443", "ca": cluster.ca() } },
        "init": { "image": "esi-cli:0.1.0" }
    })
    .to_string()
}

/// As cert-manager's injector does, where the certificate comes from files.
async fn trust(client: &Client, ca: &str) -> Result<()> {
    use base64::Engine as _;
    let bundle = base64::engine::general_purpose::STANDARD.encode(ca);
    let patch = json!({
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "MutatingWebhookConfiguration",
        "metadata": { "name": NAME },
        "webhooks": [{ "name": "pods.esi.external-secrets.io", "clientConfig": { "caBundle": bundle } }]
    });
    patch_registration(client, &patch).await
}

async fn patch_registration(client: &Client, patch: &Value) -> Result<()> {
    use k8s_openapi::api::admissionregistration::v1::MutatingWebhookConfiguration;
    let registrations: Api<MutatingWebhookConfiguration> = Api::all(client.clone());
    let patch = Patch::Strategic(patch);
    registrations.patch(NAME, &PatchParams::default(), &patch).await?;
    Ok(())
}

fn written(cluster: &Cluster, name: &str, text: &str) -> Result<PathBuf> {
    let path = cluster.dir().join(name);
    fs::write(&path, text)?;
    Ok(path)
}
