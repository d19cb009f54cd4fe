//! What the tests of this crate share: a server on a free port with its own CA, and clients that trust it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use esi_core::SystemClock;
use http_body_util::{BodyExt as _, Empty};
use hyper::body::Bytes;
use hyper::client::conn::{http1, http2};
use hyper::{Request, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::{Listener, Metrics, ServeLimits, ServerTls, Shutdown, TlsSource, crypto, serve};

/// A server that runs.
pub(crate) struct Running {
    pub(crate) address: SocketAddr,
    pub(crate) ca_pem: String,
    pub(crate) shutdown: Shutdown,
    pub(crate) metrics: Metrics,
    pub(crate) served: JoinHandle<()>,
    pub(crate) directory: TempDir,
}

/// Serves the router on a free port with a CA of its own.
pub(crate) fn start(router: Router, limits: ServeLimits) -> Running {
    let directory = tempfile::tempdir().unwrap();
    let metrics = Metrics::default();
    let source = TlsSource::OwnCa {
        directory: directory.path().to_owned(),
        names: vec!["localhost".to_owned(), "127.0.0.1".to_owned()],
    };
    let (tls, _reloader) = ServerTls::open(source, Arc::new(SystemClock), &metrics).unwrap();
    let ca_pem = tls.ca_pem().unwrap();
    serve_with(tls, ca_pem, metrics, router, limits, directory)
}

/// Serves the router with this certificate; `ca_pem` is what its clients trust.
pub(crate) fn serve_with(
    tls: ServerTls,
    ca_pem: String,
    metrics: Metrics,
    router: Router,
    limits: ServeLimits,
    directory: TempDir,
) -> Running {
    let listener = Listener::bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = listener.local_addr();
    let shutdown = Shutdown::new();
    let served = tokio::spawn({
        let (metrics, shutdown) = (metrics.clone(), shutdown.clone());
        async move { serve(listener, tls, router, limits, metrics, shutdown).await }
    });
    Running {
        address,
        ca_pem,
        shutdown,
        metrics,
        served,
        directory,
    }
}

impl Running {
    /// Waits until no connection is open. The gauge has no event: this yields between looks.
    pub(crate) async fn idle(&self) {
        while self.metrics.open.get() != 0 {
            tokio::task::yield_now().await;
        }
    }

    /// A TLS connection that offers these protocols.
    pub(crate) async fn connect(&self, alpn: &[&str]) -> std::io::Result<TlsStream<TcpStream>> {
        connect(self.address, &self.ca_pem, alpn).await
    }

    /// A client of a new HTTP/1.1 connection.
    pub(crate) async fn http1(&self) -> http1::SendRequest<Empty<Bytes>> {
        let stream = self.connect(&["http/1.1"]).await.unwrap();
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        sender
    }

    /// A client of a new HTTP/2 connection.
    pub(crate) async fn http2(&self) -> http2::SendRequest<Empty<Bytes>> {
        let stream = self.connect(&["h2"]).await.unwrap();
        let (sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
            .await
            .unwrap();
        tokio::spawn(connection);
        sender
    }
}

/// A TLS connection to `localhost` at this address.
pub(crate) async fn connect(
    address: SocketAddr,
    ca_pem: &str,
    alpn: &[&str],
) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(ca_pem.as_bytes()) {
        roots.add(certificate.unwrap()).unwrap();
    }
    let mut config = ClientConfig::builder_with_provider(crypto::provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = alpn.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
    let stream = TcpStream::connect(address).await?;
    let name = ServerName::try_from("localhost").unwrap();
    TlsConnector::from(Arc::new(config)).connect(name, stream).await
}

/// A GET for this path.
pub(crate) fn get(path: &str) -> Request<Empty<Bytes>> {
    Request::get(format!("https://localhost{path}"))
        .header("host", "localhost")
        .body(Empty::new())
        .unwrap()
}

/// Status and body of a response.
pub(crate) async fn text(response: hyper::Response<hyper::body::Incoming>) -> (StatusCode, String) {
    let status = response.status();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

/// Fails the test if the event does not come: a test must not hang.
pub(crate) async fn soon<T>(event: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(20), event)
        .await
        .expect("the event did not come")
}
