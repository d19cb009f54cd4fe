//! A webhook that runs, and clients of it.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use esi_core::SystemClock;
use esi_runtime::{ServeLimits, Shutdown, TlsSource};
use esi_webhook::app::{self, AppError, Certificate, Config};
use esi_webhook::config::Current;
use esi_webhook::world::{CurrentWorld, EnvFiles, World};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::{http1, http2};
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

pub(crate) type Body = BoxBody<Bytes, std::io::Error>;

/// A webhook on free ports with a CA of its own.
pub(crate) struct Webhook {
    pub(crate) folder: TempDir,
    pub(crate) address: SocketAddr,
    pub(crate) admin: SocketAddr,
    pub(crate) shutdown: Shutdown,
    pub(crate) configuration: Current,
    pub(crate) ended: JoinHandle<Result<(), AppError>>,
    ca: String,
}

/// A configuration for a webhook whose own CA is taken for the server's.
pub(crate) const CONFIGURATION: &str =
    "servers:\n  default:\n    url: https://esi:8443\n    caFile: tls/ca.pem\ninit:\n  image: esi-cli:1\n";

impl Webhook {
    pub(crate) async fn start() -> Self {
        Self::start_with(app::limits(Duration::from_secs(10))).await
    }

    pub(crate) async fn start_with(limits: ServeLimits) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let tls = TlsSource::OwnCa {
            directory: folder.path().join("tls"),
            names: vec!["localhost".to_owned()],
        };
        // The CA is made when it is first opened, and the configuration names it.
        let metrics = esi_runtime::Metrics::default();
        let clock = Arc::new(SystemClock);
        drop(esi_runtime::ServerTls::open(tls.clone(), Arc::clone(&clock) as _, &metrics).unwrap());
        let configuration = folder.path().join("config.yaml");
        std::fs::write(&configuration, CONFIGURATION).unwrap();
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let bound = app::build(Config {
            configuration,
            listen: any,
            admin_listen: any,
            certificate: Certificate::Given(tls),
            world: CurrentWorld::new(World {
                env_files: EnvFiles::Supported,
                ..World::default()
            }),
            cluster: None,
            limits,
            clock,
        })
        .await
        .unwrap();
        Self {
            address: bound.address(),
            admin: bound.admin_address(),
            shutdown: bound.shutdown(),
            configuration: bound.configuration(),
            ca: bound.ca_pem().unwrap().to_owned(),
            ended: tokio::spawn(bound.wait()),
            folder,
        }
    }

    /// Gives the configuration file this text, at once.
    pub(crate) fn configure(&self, text: &str) {
        let new = self.folder.path().join(".new");
        std::fs::write(&new, text).unwrap();
        std::fs::rename(new, self.config_file()).unwrap();
    }

    fn config_file(&self) -> PathBuf {
        self.folder.path().join("config.yaml")
    }

    pub(crate) async fn connect(&self, alpn: &str) -> TlsStream<TcpStream> {
        let mut roots = RootCertStore::empty();
        roots
            .add(CertificateDer::from_pem_slice(self.ca.as_bytes()).unwrap())
            .unwrap();
        let mut config = ClientConfig::builder_with_provider(esi_runtime::crypto::provider())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![alpn.as_bytes().to_vec()];
        let stream = TcpStream::connect(self.address).await.unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        let stream = TlsConnector::from(Arc::new(config))
            .connect(name, stream)
            .await
            .unwrap();
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(alpn.as_bytes()));
        stream
    }

    pub(crate) async fn http1(&self) -> http1::SendRequest<Body> {
        let stream = TokioIo::new(self.connect("http/1.1").await);
        let (sender, connection) = http1::handshake(stream).await.unwrap();
        tokio::spawn(connection);
        sender
    }

    pub(crate) async fn http2(&self) -> http2::SendRequest<Body> {
        let stream = TokioIo::new(self.connect("h2").await);
        let (sender, connection) = http2::handshake(TokioExecutor::new(), stream).await.unwrap();
        tokio::spawn(connection);
        sender
    }

    /// One request on a connection of its own.
    pub(crate) async fn ask(&self, request: Request<Body>) -> (StatusCode, String) {
        text(self.http1().await.send_request(request).await.unwrap()).await
    }

    /// What the admin port answers.
    pub(crate) async fn admin(&self, path: &str) -> (StatusCode, String) {
        let stream = TokioIo::new(TcpStream::connect(self.admin).await.unwrap());
        let (mut sender, connection) = http1::handshake(stream).await.unwrap();
        tokio::spawn(connection);
        let request = Request::get(path)
            .header("host", "localhost")
            .body(full(""))
            .unwrap();
        text(sender.send_request(request).await.unwrap()).await
    }
}

/// Status and body.
pub(crate) async fn text(response: Response<Incoming>) -> (StatusCode, String) {
    let status = response.status();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

pub(crate) fn full(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into()).map_err(|never| match never {}).boxed()
}

/// A request as an API server makes it.
pub(crate) fn post(body: Body) -> Request<Body> {
    post_as("application/json", body)
}

pub(crate) fn post_as(content_type: &str, body: Body) -> Request<Body> {
    Request::post("https://localhost/mutate?timeout=5s")
        .header("host", "localhost")
        .header("content-type", content_type)
        .body(body)
        .unwrap()
}

/// The review of a pod's creation.
pub(crate) fn review(uid: &str, pod: &Value) -> Bytes {
    let review = json!({
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "request": {
            "uid": uid,
            "kind": {"group": "", "version": "v1", "kind": "Pod"},
            "resource": {"group": "", "version": "v1", "resource": "pods"},
            "namespace": "shop",
            "operation": "CREATE",
            "object": pod,
            "dryRun": false
        }
    });
    review.to_string().into()
}

/// A pod that asks for nothing.
pub(crate) fn plain() -> Value {
    json!({"metadata": {"name": "web"}, "spec": {"containers": [{"name": "app", "image": "app:1"}]}})
}

/// Fails the test if the event does not come: a test must not hang.
pub(crate) async fn soon<T>(event: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(60), event)
        .await
        .expect("the event did not come")
}
