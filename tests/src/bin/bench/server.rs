//! The shipped server, release build, with its ledger on the disk that holds the build, and a way to call it.

use std::time::Duration;

use anyhow::{Context as _, Result};
use esi_api::v1::federation_client::FederationClient;
use esi_api::v1::{IssueRequest, IssueResponse};
use esi_tests::federation::{CLUSTER, Federation, binary};
use serde_json::json;
use tempfile::TempDir;
use tonic::Request;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint};

/// A generator that costs nothing.
pub(crate) const FREE: &str = "Fake/demo/free";

/// The manifest of [`FREE`].
pub(crate) const FREE_MANIFEST: &str = r#"
apiVersion: generators.external-secrets.io/v1alpha1
kind: Fake
metadata: { name: free, namespace: demo }
spec: { data: { username: app, password: correct-horse-battery-staple } }
"#;

/// A running server.
pub(crate) struct Server {
    pub(crate) federation: Federation,
    /// The ledger's folder: a temporary directory may be in memory, where durable costs nothing.
    _ledger: TempDir,
}

impl Server {
    /// Serves the generators of these manifests to `demo/app`, and the node daemon `esi-system/esi-node`.
    pub(crate) fn start(manifests: &str, generators: &[&str]) -> Result<Self> {
        let build = binary("esi-federation")?;
        let folder = build.parent().context("a binary is in a folder")?;
        let ledger = tempfile::Builder::new().prefix("bench-").tempdir_in(folder)?;
        let mut federation = Federation::prepare()?;
        let mut cluster = federation.issuer.federation(CLUSTER);
        cluster["spec"]["nodeAgents"] = json!(["esi-system/esi-node"]);
        federation.write("federation.json", &cluster.to_string())?;
        federation.write("generators.yaml", manifests)?;
        federation.allow("app", generators)?;
        let tls = federation.dir().join("tls").display().to_string();
        // Logging as it is shipped; tests log more.
        federation.flags(&["--log", "info", "--tls-dir", &tls]);
        federation.start_on(&format!("sqlite:{}", ledger.path().join("ledger.db").display()))?;
        Ok(Self {
            federation,
            _ledger: ledger,
        })
    }

    /// A connection of its own.
    pub(crate) async fn connect(&self) -> Result<Channel> {
        let ca = Certificate::from_pem(std::fs::read(self.federation.ca())?);
        let tls = ClientTlsConfig::new().ca_certificate(ca).domain_name("localhost");
        Ok(Endpoint::from_shared(self.federation.url())?
            .tls_config(tls)?
            .connect()
            .await?)
    }

    /// Answered calls of any kind, and the time that the server itself took for all of them.
    pub(crate) async fn own_time(&self) -> Result<(u64, Duration)> {
        self.sums("").await
    }

    /// The same of one call, such as `Issue`.
    pub(crate) async fn own_time_of(&self, call: &str) -> Result<(u64, Duration)> {
        self.sums(&format!("{{call=\"{call}\"}}")).await
    }

    async fn sums(&self, labels: &str) -> Result<(u64, Duration)> {
        let url = format!("http://{}/metrics", self.federation.admin());
        let text = reqwest::get(url).await?.text().await?;
        let sum = |name: &str| -> Result<f64> {
            let values = text
                .lines()
                .filter(|line| line.starts_with(&format!("{name}{labels}")))
                .filter_map(|line| line.rsplit(' ').next());
            Ok(values.map(str::parse::<f64>).sum::<Result<f64, _>>()?)
        };
        let calls = sum("esi_call_duration_seconds_count")?;
        let seconds = sum("esi_call_duration_seconds_sum")?;
        Ok((calls as u64, Duration::from_secs_f64(seconds)))
    }
}

/// Issues with a pod's token.
pub(crate) async fn issue(channel: &Channel, token: &str, message: IssueRequest) -> Result<IssueResponse> {
    let mut request = Request::new(message);
    let bearer = format!("Bearer {token}").parse()?;
    request.metadata_mut().insert("authorization", bearer);
    Ok(FederationClient::new(channel.clone())
        .issue(request)
        .await?
        .into_inner())
}
