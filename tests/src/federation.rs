//! A federation server as a process, with a catalog directory that tests write, and a gRPC client.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use esi_api::v1;
use esi_api::v1::federation_client::FederationClient;
use esi_api::v1::leases_client::LeasesClient;
use serde_json::{Value, json};
use tempfile::TempDir;
use tonic::metadata::AsciiMetadataValue;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint};
use tonic::{Request, Status};

use crate::crash::STEP;
use crate::issuer::{ISSUER, Issuer, Pod};
use crate::process::Server;

/// The name of the federation that vouches for [`Issuer`]'s pods.
pub const CLUSTER: &str = "cluster";

/// A server in a directory of its own. It may be stopped, killed and started again on the same ledger.
pub struct Federation {
    dir: TempDir,
    /// The cluster's issuer.
    pub issuer: Issuer,
    server: Option<Server>,
    address: String,
    admin: String,
    extra: Vec<String>,
}

/// A binary that cargo built beside the running one.
pub fn binary(name: &str) -> Result<PathBuf> {
    let mut dir = std::env::current_exe()?;
    dir.pop();
    if dir.ends_with("deps") {
        dir.pop();
    }
    let path = dir.join(name);
    anyhow::ensure!(
        path.exists(),
        "{} is not built: run `cargo build --workspace --bins` first",
        path.display()
    );
    Ok(path)
}

impl Federation {
    /// Prepares a directory with the cluster's federation in its catalog; nothing runs yet.
    pub fn prepare() -> Result<Self> {
        let dir = tempfile::tempdir()?;
        std::fs::create_dir(dir.path().join("catalog"))?;
        let issuer = Issuer::new("key-1");
        let this = Self {
            dir,
            issuer,
            server: None,
            address: String::new(),
            admin: String::new(),
            extra: vec![],
        };
        this.write("federation.json", &this.issuer.federation(CLUSTER).to_string())?;
        Ok(this)
    }

    /// One that runs with these documents (YAML) in its catalog, and `demo/app` allowed to use these generators.
    pub fn start_with(documents: &str, generators: &[&str]) -> Result<Self> {
        let mut this = Self::prepare()?;
        this.write("generators.yaml", documents)?;
        this.allow("app", generators)?;
        this.start()?;
        Ok(this)
    }

    /// More flags for `serve`.
    pub fn flags(&mut self, flags: &[&str]) {
        self.extra = flags.iter().map(|&flag| flag.to_owned()).collect();
    }

    /// Its directory.
    #[must_use]
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Writes a file of the catalog, whole at once.
    pub fn write(&self, name: &str, text: &str) -> Result<()> {
        let catalog = self.dir.path().join("catalog");
        let staged = self.dir.path().join("staged");
        std::fs::write(&staged, text)?;
        Ok(std::fs::rename(staged, catalog.join(name))?)
    }

    /// Lets service account `demo/<service_account>` use generators (`Kind/namespace/name`).
    pub fn allow(&self, service_account: &str, generators: &[&str]) -> Result<()> {
        self.allow_for(service_account, generators, None)
    }

    /// The same, within a time to live.
    pub fn allow_for(&self, service_account: &str, generators: &[&str], max_ttl: Option<&str>) -> Result<()> {
        let generators: Vec<Value> = generators
            .iter()
            .map(|text| {
                let parts: Vec<&str> = text.split('/').collect();
                json!({ "kind": parts[0], "namespace": parts[1], "name": parts[2] })
            })
            .collect();
        let mut document = json!({
            "apiVersion": "federation.external-secrets.io/v1alpha1",
            "kind": "Authorization",
            "metadata": { "name": service_account },
            "spec": {
                "federationRef": { "kind": "KubernetesFederation", "name": CLUSTER },
                "subject": { "oidc": {
                    "issuer": ISSUER, "subject": format!("system:serviceaccount:demo:{service_account}")
                } },
                "allowedGenerators": generators
            }
        });
        if let Some(max) = max_ttl {
            document["spec"]["maxTTL"] = json!(max);
        }
        self.write(
            &format!("authorization-{service_account}.json"),
            &document.to_string(),
        )
    }

    /// Starts the shipped binary.
    pub fn start(&mut self) -> Result<()> {
        self.start_on(&self.own_ledger())
    }

    /// Starts the binary that kills itself at `step`.
    pub fn start_killed_at(&mut self, step: &str) -> Result<()> {
        self.start_binary("esi-federation-crash", &self.own_ledger(), &[(STEP, step)])
    }

    /// Starts the shipped binary on another ledger (`sqlite:PATH`).
    pub fn start_on(&mut self, ledger: &str) -> Result<()> {
        self.start_binary("esi-federation", ledger, &[])
    }

    fn own_ledger(&self) -> String {
        format!("sqlite:{}", self.ledger().display())
    }

    fn start_binary(&mut self, name: &str, ledger: &str, env: &[(&str, &str)]) -> Result<()> {
        let dir = self.dir.path().to_owned();
        let catalog = dir.join("catalog").display().to_string();
        let mut args = vec![
            "serve",
            "--catalog",
            &catalog,
            "--ledger",
            ledger,
            "--listen",
            "127.0.0.1:0",
            "--admin-listen",
            "127.0.0.1:0",
            "--log-format",
            "json",
        ];
        if !self.extra.iter().any(|flag| flag == "--log") {
            args.extend(["--log", "debug"]);
        }
        args.extend(self.extra.iter().map(String::as_str));
        let log = dir.join("log");
        // Only this start's lines are read for its addresses.
        let seen = std::fs::metadata(&log).map_or(0, |metadata| metadata.len());
        let mut server = Server::start_with("root", &binary(name)?, &args, env, &log)?;
        let mut line = None;
        server.wait_until("it listens", || {
            line = listening_line(&log, seen);
            line.is_some()
        })?;
        let line = line.context("it listens, but its log does not say where")?;
        let field = |name: &str| {
            Some(
                line["fields"]
                    .get(name)
                    .or_else(|| line.get(name))?
                    .as_str()?
                    .to_owned(),
            )
        };
        self.address = field("address").context("the log line has no address")?;
        self.admin = field("admin_address").context("the log line has no admin_address")?;
        self.server = Some(server);
        Ok(())
    }

    /// The running process.
    pub fn process(&mut self) -> &mut Server {
        self.server.as_mut().expect("it was started")
    }

    /// `https://…` of the running server.
    #[must_use]
    pub fn url(&self) -> String {
        format!("https://{}", self.address)
    }

    /// Address of health and metrics.
    #[must_use]
    pub fn admin(&self) -> &str {
        &self.admin
    }

    /// The file that clients must trust.
    #[must_use]
    pub fn ca(&self) -> PathBuf {
        self.dir.path().join("tls/ca.pem")
    }

    /// The ledger's file.
    #[must_use]
    pub fn ledger(&self) -> PathBuf {
        self.dir.path().join("ledger.db")
    }

    /// All that it has logged, over all starts.
    #[must_use]
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("log")).unwrap_or_default()
    }

    /// A connection for a pod.
    pub async fn client(&self, pod: &Pod) -> Result<Client> {
        self.client_with(&self.issuer.token(pod)).await
    }

    /// A connection with any token.
    pub async fn client_with(&self, token: &str) -> Result<Client> {
        let ca = Certificate::from_pem(std::fs::read(self.ca())?);
        let tls = ClientTlsConfig::new().ca_certificate(ca).domain_name("localhost");
        let channel = Endpoint::from_shared(self.url())?
            .tls_config(tls)?
            .connect()
            .await?;
        let token = format!("Bearer {token}").parse()?;
        Ok(Client {
            grpc: FederationClient::new(channel.clone()),
            leases: LeasesClient::new(channel),
            token,
        })
    }
}

fn listening_line(log: &Path, seen: u64) -> Option<Value> {
    let bytes = std::fs::read(log).ok()?;
    let new = String::from_utf8_lossy(bytes.get(usize::try_from(seen).ok()?..)?).into_owned();
    new.lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .find(|line| line["fields"]["event"] == "listening" || line["event"] == "listening")
}

/// A caller with a token.
#[derive(Clone)]
pub struct Client {
    grpc: FederationClient<Channel>,
    leases: LeasesClient<Channel>,
    token: AsciiMetadataValue,
}

/// An issue request for a generator (`Kind/namespace/name`).
#[must_use]
pub fn issue_request(generator: &str, binding: &str, request_id: &str) -> v1::IssueRequest {
    let parts: Vec<&str> = generator.split('/').collect();
    v1::IssueRequest {
        source: Some(v1::issue_request::Source::Generator(v1::GeneratorRef {
            kind: parts[0].to_owned(),
            namespace: parts[1].to_owned(),
            name: parts[2].to_owned(),
        })),
        binding: binding.to_owned(),
        request_id: request_id.to_owned(),
        reason: v1::Reason::Start.into(),
        ttl: None,
        client_instance: String::new(),
        overlap: None,
    }
}

/// A new request id.
#[must_use]
pub fn request_id() -> String {
    esi_core::RequestId::random().as_str().to_owned()
}

impl Client {
    fn request<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        request.metadata_mut().insert("authorization", self.token.clone());
        request
    }

    /// Issues for binding `db` with a new request id.
    pub async fn issue(&mut self, generator: &str) -> Result<v1::IssueResponse, Status> {
        self.issue_as(issue_request(generator, "db", &request_id())).await
    }

    /// Issues.
    pub async fn issue_as(&mut self, message: v1::IssueRequest) -> Result<v1::IssueResponse, Status> {
        let request = self.request(message);
        Ok(self.grpc.issue(request).await?.into_inner())
    }

    /// Acknowledges a generation of binding `db`.
    pub async fn acknowledge(&mut self, generation: u64) -> Result<(), Status> {
        let binding = "db".to_owned();
        let request = self.request(v1::AcknowledgeRequest {
            binding,
            generation,
            client_instance: String::new(),
        });
        self.grpc.acknowledge(request).await.map(drop)
    }

    /// Revokes binding `db`; how many leases it ended.
    pub async fn revoke(&mut self) -> Result<u32, Status> {
        let target = Some(v1::revoke_request::Target::Binding("db".to_owned()));
        let request = self.request(v1::RevokeRequest {
            target,
            client_instance: String::new(),
        });
        Ok(self.grpc.revoke(request).await?.into_inner().ended)
    }

    /// Gives back binding `db` of pods (their UIDs) as a node's daemon; how many leases it ended.
    pub async fn release(&mut self, pods: &[(&str, Option<u64>)]) -> Result<u32, Status> {
        let volumes = pods.iter().map(|(pod, generation)| v1::Volume {
            pod_uid: (*pod).to_owned(),
            binding: "db".to_owned(),
            generation: *generation,
        });
        let volumes = v1::Volumes {
            volumes: volumes.collect(),
        };
        let request = self.request(v1::RevokeRequest {
            target: Some(v1::revoke_request::Target::Volumes(volumes)),
            client_instance: String::new(),
        });
        Ok(self.grpc.revoke(request).await?.into_inner().ended)
    }

    /// The leases that are not over, as an operator.
    pub async fn leases(&mut self) -> Result<Vec<v1::LeaseRecord>, Status> {
        let mut leases: Vec<v1::LeaseRecord> = Vec::new();
        loop {
            let after = leases.last().map(|lease| lease.id.clone()).unwrap_or_default();
            let request = self.request(v1::ListLeasesRequest { after });
            let page = self.leases.list(request).await?.into_inner().leases;
            if page.is_empty() {
                return Ok(leases);
            }
            leases.extend(page);
        }
    }

    /// Has leases rotated, as an operator; how many.
    pub async fn rotate(&mut self, leases: v1::rotate_leases_request::Leases) -> Result<u32, Status> {
        let request = self.request(v1::RotateLeasesRequest { leases: Some(leases) });
        Ok(self.leases.rotate(request).await?.into_inner().asked)
    }

    /// Reports a generation of binding `db`; the verdict.
    pub async fn report(&mut self, generation: u64) -> Result<v1::BindingVerdict, Status> {
        self.report_of("", generation).await
    }

    /// The same for a pod (its UID) of a daemon's node.
    pub async fn report_of(&mut self, pod: &str, generation: u64) -> Result<v1::BindingVerdict, Status> {
        let bindings = vec![v1::BindingReport {
            binding: "db".to_owned(),
            generation,
            pod_uid: pod.to_owned(),
        }];
        let request = self.request(v1::ReportRequest {
            client_instance: String::new(),
            bindings,
        });
        let mut verdicts = self.grpc.report(request).await?.into_inner().verdicts;
        verdicts.pop().ok_or_else(|| Status::internal("no verdict"))
    }
}

/// A value of an answer, as text.
#[must_use]
pub fn value(response: &v1::IssueResponse, key: &str) -> String {
    String::from_utf8(response.data[key].clone()).unwrap()
}
