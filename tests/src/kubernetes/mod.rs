//! A real Kubernetes control plane: etcd, kube-apiserver and the controllers that tests need. No kubelet, no scheduler:
//! pods stay Pending, unless a test writes their status.
//!
//! ```text
//!  Cluster::shared()      one for all tests of this binary; a test works in a Namespace of its own
//!  Cluster::start()       one of its own, for a test that breaks something all would feel
//!
//!  127.x.y.0/24  Service addresses: loopback addresses, so that the API server calls a webhook through its Service
//!                without a kube-proxy. What serves the webhook listens on the Service's own address and port.
//! ```
//!
//! The programs are built by `tests/kubernetes/build`, on first use if need be.

mod manifests;
mod namespace;
mod pki;
mod programs;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context as _, Result};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use serde_json::json;
use tempfile::TempDir;
use tokio::sync::OnceCell;

use crate::process::{Server, free_port, listens};
use crate::scratch;

pub use manifests::{Manifests, apply, kind_of};
pub use namespace::Namespace;
pub use pki::Identity;
use pki::Pki;

/// Who may do anything.
const ADMINS: &str = "system:masters";

/// What the controllers of the tests do; each more costs start time and memory.
const CONTROLLERS: [&str; 7] = [
    "deployment-controller",
    "job-controller",
    "replicaset-controller",
    "resourcequota-controller",
    "root-ca-certificate-publisher-controller",
    "serviceaccount-controller",
    "validatingadmissionpolicy-status-controller",
];

/// A running control plane; killed when this is dropped, or this process ends.
#[derive(Debug)]
pub struct Cluster {
    // In the order of their dropping: nobody is left without whom it talks to.
    _controllers: Server,
    _api: Server,
    _etcd: Server,
    pki: Pki,
    address: String,
    dir: TempDir,
}

impl Cluster {
    /// The one that all tests of this binary share.
    pub async fn shared() -> &'static Self {
        static SHARED: OnceCell<Cluster> = OnceCell::const_new();
        SHARED.get_or_init(async || Self::start().await.unwrap()).await
    }

    /// One of one's own.
    pub async fn start() -> Result<Self> {
        let programs = programs::directory()?;
        let dir = scratch::directory("kubernetes")?;
        let pki = Pki::make()?;
        pki.write(dir.path())?;
        let (etcd, etcd_url) = start_etcd(&programs, dir.path())?;
        let port = free_port()?;
        let address = format!("https://127.0.0.1:{port}");
        let mut api = start_api(&programs, dir.path(), &etcd_url, port)?;
        let admin = client(&kubeconfig(&pki, &address, "admin", &[ADMINS])?).await?;
        api.wait_until_async("it is ready", async || is_ready(&admin).await)
            .await?;
        let controllers = start_controllers(&programs, dir.path(), &pki, &address)?;
        Ok(Self {
            _controllers: controllers,
            _api: api,
            _etcd: etcd,
            pki,
            address,
            dir,
        })
    }

    /// A client that may do anything. It lives in one runtime, and every test has its own.
    pub async fn admin(&self) -> Result<Client> {
        client(&self.kubeconfig("admin", &[ADMINS])?).await
    }

    /// A kubeconfig (JSON) for a user with a certificate.
    pub fn kubeconfig(&self, user: &str, groups: &[&str]) -> Result<String> {
        kubeconfig(&self.pki, &self.address, user, groups)
    }

    /// A kubeconfig (JSON) for who has a token.
    #[must_use]
    pub fn kubeconfig_with(&self, token: &str) -> String {
        kubeconfig_of(&self.pki, &self.address, &json!({ "token": token }))
    }

    /// A certificate of its CA ([`Cluster::ca`]) for a server of these names.
    pub fn certificate(&self, names: &[&str]) -> Result<Identity> {
        self.pki.server(names)
    }

    /// Its CA's certificate, in PEM.
    #[must_use]
    pub fn ca(&self) -> &str {
        self.pki.ca()
    }

    /// A namespace of its own, with these labels, in which pods can be made.
    pub async fn namespace(&self, labels: &[(&str, &str)]) -> Result<Namespace> {
        Namespace::make(self.admin().await?, self.dir(), labels).await
    }

    /// One that Kubernetes or a manifest made.
    pub async fn existing_namespace(&self, name: &str) -> Result<Namespace> {
        Ok(Namespace::of(self.admin().await?, self.dir(), name))
    }

    /// Its directory, for files of those that work with it. Logs (`*.log`) are shown where a test fails.
    #[must_use]
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }
}

/// The logs in a directory: of its programs, and of those that tests run beside them.
fn logs(dir: &Path) -> Vec<(String, String)> {
    let mut logs = Vec::new();
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.ends_with(".log") {
            let bytes = fs::read(entry.path()).unwrap_or_default();
            logs.push((name, String::from_utf8_lossy(&bytes).into_owned()));
        }
    }
    logs.sort();
    logs
}

/// A client for a kubeconfig.
pub async fn client(kubeconfig: &str) -> Result<Client> {
    // It is an error only if it was there before, which is as good.
    drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
    let kubeconfig = Kubeconfig::from_yaml(kubeconfig)?;
    let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await?;
    Ok(Client::try_from(config)?)
}

async fn is_ready(client: &Client) -> bool {
    let Ok(request) = http::Request::get("/readyz").body(Vec::new()) else {
        return false;
    };
    client.request_text(request).await.is_ok()
}

fn kubeconfig(pki: &Pki, address: &str, user: &str, groups: &[&str]) -> Result<String> {
    let identity = pki.user(user, groups)?;
    let user = json!({
        "client-certificate-data": base64(&identity.certificate),
        "client-key-data": base64(&identity.key),
    });
    Ok(kubeconfig_of(pki, address, &user))
}

fn kubeconfig_of(pki: &Pki, address: &str, user: &serde_json::Value) -> String {
    let cluster = json!({ "server": address, "certificate-authority-data": base64(pki.ca()) });
    json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{ "name": "it", "cluster": cluster }],
        "users": [{ "name": "it", "user": user }],
        "contexts": [{ "name": "it", "context": { "cluster": "it", "user": "it" } }],
        "current-context": "it",
    })
    .to_string()
}

fn base64(text: &str) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(text)
}

fn start_etcd(programs: &Path, dir: &Path) -> Result<(Server, String)> {
    let (port, peers) = (free_port()?, free_port()?);
    let url = format!("http://127.0.0.1:{port}");
    let peer_url = format!("http://127.0.0.1:{peers}");
    let data = dir.join("etcd").display().to_string();
    let args = [
        "--name=it",
        "--data-dir",
        &data,
        // Nothing has to survive.
        "--unsafe-no-fsync",
        "--log-level=warn",
        "--listen-client-urls",
        &url,
        "--advertise-client-urls",
        &url,
        "--listen-peer-urls",
        &peer_url,
        "--initial-advertise-peer-urls",
        &peer_url,
        "--initial-cluster",
        &format!("it={peer_url}"),
    ];
    let mut etcd = start(programs, "etcd", &args, dir)?;
    etcd.wait_until("it listens", || listens(port))?;
    Ok((etcd, url))
}

fn start_api(programs: &Path, dir: &Path, etcd_url: &str, port: u16) -> Result<Server> {
    let file = |flag: &str, name: &str| format!("--{flag}={}", dir.join(name).display());
    let args = [
        format!("--etcd-servers={etcd_url}"),
        "--bind-address=127.0.0.1".to_owned(),
        format!("--secure-port={port}"),
        "--advertise-address=127.0.0.1".to_owned(),
        "--endpoint-reconciler-type=none".to_owned(),
        format!("--service-cluster-ip-range={}", service_addresses()),
        file("tls-cert-file", "api.crt"),
        file("tls-private-key-file", "api.key"),
        file("client-ca-file", "ca.crt"),
        "--service-account-issuer=https://kubernetes.default.svc".to_owned(),
        file("service-account-key-file", "sa.pub"),
        file("service-account-signing-key-file", "sa.key"),
        "--authorization-mode=RBAC".to_owned(),
        "--allow-privileged=true".to_owned(),
    ];
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    start(programs, "kube-apiserver", &args, dir)
}

fn start_controllers(programs: &Path, dir: &Path, pki: &Pki, address: &str) -> Result<Server> {
    let path = dir.join("controllers.kubeconfig");
    fs::write(&path, kubeconfig(pki, address, "controllers", &[ADMINS])?)?;
    let args = [
        format!("--kubeconfig={}", path.display()),
        format!("--authentication-kubeconfig={}", path.display()),
        format!("--authorization-kubeconfig={}", path.display()),
        format!("--secure-port={}", free_port()?),
        "--bind-address=127.0.0.1".to_owned(),
        format!("--root-ca-file={}", dir.join("ca.crt").display()),
        "--leader-elect=false".to_owned(),
        format!("--controllers={}", CONTROLLERS.join(",")),
    ];
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    start(programs, "kube-controller-manager", &args, dir)
}

fn start(programs: &Path, name: &str, args: &[&str], dir: &Path) -> Result<Server> {
    let log = dir.join(format!("{name}.log"));
    Server::start("root", &programs.join(name), args, &log)
}

/// Loopback addresses that no other cluster of this machine is likely to have.
fn service_addresses() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let n = NEXT.fetch_add(1, Ordering::Relaxed);
    let block = std::process::id().wrapping_mul(8).wrapping_add(n) % (1 << 14);
    format!("127.{}.{}.0/24", 64 + block / 256, block % 256)
}

/// The folder of the project that deploys it.
#[must_use]
pub fn deploy(folder: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../deploy")
        .join(folder)
}

/// The text of a file of [`deploy`].
pub fn deployed(path: &str) -> Result<String> {
    let path = deploy(path);
    fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))
}
