//! From the start of the process to the instant at which a server sees its first request.
//!
//! The server is in this process, so that both instants are read from one clock; it refuses every call.

use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use esi_api::v1::federation_server::{Federation, FederationServer};
use esi_api::v1::{
    AcknowledgeRequest, AcknowledgeResponse, IssueRequest, IssueResponse, ReportRequest, ReportResponse,
    RevokeRequest, RevokeResponse,
};
use esi_core::SystemClock;
use esi_runtime::{Listener, Metrics, ServeLimits, ServerTls, Shutdown, TlsSource, serve};
use esi_tests::issuer::{Issuer, Pod};
use tokio::sync::mpsc;
use tokio::time::Instant;
use tonic::service::Routes;
use tonic::{Request, Response, Status};

use super::RUNS;
use super::pod::Folders;
use crate::machine::median;

pub(super) async fn measure(binary: &Path) -> Result<Duration> {
    let (issuer, dir) = (Issuer::new("key-1"), tempfile::tempdir()?);
    let (seen, mut arrivals) = mpsc::unbounded_channel();
    let metrics = Metrics::default();
    let source = TlsSource::OwnCa {
        directory: dir.path().join("tls"),
        names: vec!["localhost".to_owned()],
    };
    let (tls, _reloader) = ServerTls::open(source, Arc::new(SystemClock), &metrics)?;
    let ca = tls.ca_pem().context("it has a CA of its own")?;
    let listener = Listener::bind(([127, 0, 0, 1], 0).into())?;
    let url = format!("https://localhost:{}", listener.local_addr().port());
    let router = Routes::new(FederationServer::new(Watcher(seen)))
        .prepare()
        .into_axum_router();
    let limits = ServeLimits::default();
    let server = tokio::spawn(serve(listener, tls, router, limits, metrics, Shutdown::new()));

    let mut times = Vec::new();
    for _ in 0..RUNS {
        let folders = Folders::new(&issuer.token(&Pod::new()))?;
        let mut command = tokio::process::Command::from(folders.command(binary, &url, &ca));
        command.arg("init").stderr(Stdio::null());
        let started = Instant::now();
        let status = command.status();
        // It fails, as it must, once it has been refused.
        let (_, arrived) = tokio::join!(status, arrivals.recv());
        times.push(arrived.context("no request came")? - started);
    }
    server.abort();
    Ok(median(&mut times))
}

/// Tells when an issue arrives.
struct Watcher(mpsc::UnboundedSender<Instant>);

#[tonic::async_trait]
impl Federation for Watcher {
    async fn issue(&self, _request: Request<IssueRequest>) -> Result<Response<IssueResponse>, Status> {
        // Whoever waits for it is there as long as we are.
        self.0.send(Instant::now()).ok();
        Err(refusal())
    }

    async fn acknowledge(
        &self,
        _request: Request<AcknowledgeRequest>,
    ) -> Result<Response<AcknowledgeResponse>, Status> {
        Err(refusal())
    }

    async fn revoke(&self, _request: Request<RevokeRequest>) -> Result<Response<RevokeResponse>, Status> {
        Err(refusal())
    }

    async fn report(&self, _request: Request<ReportRequest>) -> Result<Response<ReportResponse>, Status> {
        Err(refusal())
    }
}

fn refusal() -> Status {
    Status::permission_denied("nothing is issued here")
}
