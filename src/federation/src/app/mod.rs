//! Wiring: from a configuration to a server that listens, and to its end.
//!
//! ```text
//!  catalog (directory, watched) ─┬─▶ Authenticator ─┐
//!                                └─▶ Backends ──────┼─▶ Issuer, Reports ──▶ FederationService ──▶ TLS port
//!  ledger (SQLite) ──────────────┬─────────────────┘
//!                                └─▶ Worker (renews, revokes, sweeps)         readiness, metrics ──▶ admin port
//! ```
//!
//! Nothing listens before everything is open: a start with a broken catalog, ledger or certificate fails and says why.

mod error;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use esi_api::MAX_MESSAGE_BYTES;
use esi_api::v1::federation_server::FederationServer;
use esi_api::v1::leases_server::LeasesServer;
use esi_core::{Checkpoint, Clock};
use esi_generators::Generators;
use esi_ledger::port::Store;
use esi_ledger::sqlite::SqliteStore;
use esi_ledger::worker::{Worker, WorkerConfig};
use esi_resources::catalog::{Catalog, DirectoryCatalog};
use esi_runtime::{
    AdminState, Listener, Readiness, ServeLimits, ServerTls, Shutdown, Tasks, TlsSource, admin, serve,
};
use prometheus_client::registry::Registry;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tonic::service::Routes;

pub use error::AppError;

use crate::authenticate::Authenticator;
use crate::backends::Backends;
use crate::grpc::{Calls, FederationService, LeasesService};
use crate::issue::{IssueLimits, Issuer, Parts};
use crate::metrics::{CatalogMetrics, Metrics};
use crate::operator::Operator;
use crate::release::Releases;
use crate::report::Reports;

/// All that a server is told.
#[derive(Debug)]
pub struct Config {
    /// The directory of manifests.
    pub catalog: PathBuf,
    /// The SQLite ledger.
    pub ledger: PathBuf,
    /// Where workloads are served; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Where health and metrics are served; port 0 takes a free one.
    pub admin_listen: SocketAddr,
    /// What tokens must be meant for.
    pub audience: String,
    /// Who may see all leases and have them rotated.
    pub operators: Vec<Operator>,
    /// The certificate.
    pub tls: TlsSource,
    /// Bounds of issuing.
    pub limits: IssueLimits,
    /// How long running calls may take to end.
    pub drain: Duration,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// The named steps.
    pub checkpoint: Arc<dyn Checkpoint>,
}

/// A server that listens.
#[derive(Debug)]
pub struct Bound {
    address: SocketAddr,
    admin_address: SocketAddr,
    ca_pem: Option<String>,
    catalog: Catalog,
    shutdown: Shutdown,
    tasks: Tasks,
    drain: Duration,
}

/// How often held values are looked through for those whose moment is over.
const HELD_SWEEP: Duration = Duration::from_secs(5);
/// Descriptors that are kept from callers: 64 revocations and as many issues with a connection each, and files.
const OWN_DESCRIPTORS: usize = 512;
/// What is left for the ledger and the worker once the calls have ended.
const AFTER_DRAIN: Duration = Duration::from_secs(3);

/// Opens everything, then listens.
///
/// # Errors
/// See [`AppError`].
pub async fn build(config: Config) -> Result<Bound, AppError> {
    // Exhaustive, so that a new field that is not wired does not compile.
    let Config {
        catalog,
        ledger,
        listen,
        admin_listen,
        audience,
        operators,
        tls,
        limits,
        drain,
        clock,
        checkpoint,
    } = config;
    let mut registry = Registry::with_prefix("esi");
    let runtime_metrics = esi_runtime::Metrics::register(&mut registry);
    let ledger_metrics = esi_ledger::Metrics::register(&mut registry);
    let metrics = Arc::new(Metrics::register(&mut registry));
    let catalog_metrics = CatalogMetrics::register(&mut registry);

    let (catalog, watcher) = DirectoryCatalog::open(&catalog)?;
    let ledger = Arc::new(open_ledger(ledger, Arc::clone(&clock)).await?);
    let store: Arc<dyn Store> = Arc::clone(&ledger) as _;
    let (tls, reloader) = ServerTls::open(tls, Arc::clone(&clock), &runtime_metrics)?;
    let listener = Listener::bind(listen)?;
    let admin_listener = Listener::bind(admin_listen)?;
    let (address, admin_address) = (listener.local_addr(), admin_listener.local_addr());
    let (shutdown, readiness) = (Shutdown::new(), Readiness::new());

    let generators = Generators::new(Arc::clone(&checkpoint));
    let backends = Arc::new(Backends::new(catalog.clone(), generators));
    let (worker, waker) = Worker::new(
        Arc::clone(&store),
        Arc::clone(&backends) as _,
        Arc::clone(&clock),
        WorkerConfig::default(),
        ledger_metrics,
    );
    let running = TaskTracker::new();
    let parts = Parts {
        store: Arc::clone(&store),
        backends: Arc::clone(&backends),
        waker: waker.clone(),
        checkpoint,
    };
    let issuer = Arc::new(Issuer::new(parts, limits, running.clone()));
    let calls = Calls {
        authenticator: Arc::new(Authenticator::new(catalog.clone(), Arc::clone(&clock), audience)),
        metrics,
        refusals: Arc::default(),
    };
    let leases = LeasesService {
        calls: calls.clone(),
        operators: operators.into(),
        store: Arc::clone(&store),
    };
    let service = FederationService {
        calls,
        catalog: catalog.clone(),
        issuer: Arc::clone(&issuer),
        releases: Releases::new(Arc::clone(&store), Arc::clone(&issuer)),
        reports: Arc::new(Reports::new(Arc::clone(&store), backends, clock)),
        store,
        waker,
    };
    let service = FederationServer::new(service)
        .max_decoding_message_size(MAX_MESSAGE_BYTES)
        .max_encoding_message_size(MAX_MESSAGE_BYTES);
    let leases = LeasesServer::new(leases).max_encoding_message_size(MAX_MESSAGE_BYTES);
    let router = Routes::new(service)
        .add_service(leases)
        .prepare()
        .into_axum_router();

    let mut tasks = Tasks::new(shutdown.clone());
    tasks.spawn("https", {
        let (tls, shutdown, metrics) = (tls.clone(), shutdown.clone(), runtime_metrics.clone());
        let limits = ServeLimits {
            drain,
            max_connections: connections(esi_runtime::descriptors::raise()),
            ..ServeLimits::default()
        };
        async move {
            serve(listener, tls, router, limits, metrics, shutdown).await;
            // A mint whose caller hung up still runs to its end.
            running.close();
            running.wait().await;
        }
    });
    tasks.spawn("worker", {
        let shutdown = shutdown.clone();
        async move {
            let stop = CancellationToken::new();
            let run = worker.run(stop.clone());
            tokio::pin!(run);
            tokio::select! {
                ended = &mut run => ended,
                () = shutdown.requested() => { stop.cancel(); run.await }
            }
        }
    });
    tasks.spawn_companion("catalog", watcher.run(CancellationToken::new()));
    tasks.spawn_companion("catalog metrics", catalog_metrics.follow(catalog.clone()));
    tasks.spawn_companion("certificates", reloader.run(shutdown.clone()));
    // Its thread outlives everything else: it ends early only by a defect, and then nothing can be recorded.
    tasks.spawn_companion("ledger", async move { ledger.stopped().await });
    tasks.spawn_companion("held values", expire_held(issuer));
    let state = AdminState {
        readiness,
        shutdown: shutdown.clone(),
        registry: Arc::new(registry),
    };
    tasks.spawn_companion("admin", admin::serve(admin_listener, state));
    tracing::info!(event = "listening", %address, %admin_address, version = env!("CARGO_PKG_VERSION"));
    Ok(Bound {
        address,
        admin_address,
        ca_pem: tls.ca_pem(),
        catalog,
        shutdown,
        tasks,
        drain,
    })
}

/// How many connections are served at once with so many descriptors: callers, who need not be anybody, leave enough
/// for the ledger, the catalog and the backends, where credentials must be revoked whoever calls.
fn connections(descriptors: usize) -> usize {
    let most = ServeLimits::default().max_connections;
    most.min(descriptors.saturating_sub(OWN_DESCRIPTORS).max(descriptors / 2))
}

async fn expire_held(issuer: Arc<Issuer>) {
    loop {
        tokio::time::sleep(HELD_SWEEP).await;
        issuer.held().expire();
    }
}

/// Opening checks the whole file: off the async threads.
async fn open_ledger(path: PathBuf, clock: Arc<dyn Clock>) -> Result<SqliteStore, AppError> {
    let opened = tokio::task::spawn_blocking(move || SqliteStore::open(&path, clock)).await;
    opened
        .map_err(|_panicked| AppError::Panicked)?
        .map_err(AppError::Ledger)
}

impl Bound {
    /// Where workloads are served.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where health and metrics are served.
    #[must_use]
    pub fn admin_address(&self) -> SocketAddr {
        self.admin_address
    }

    /// What clients must trust, where the server has a CA of its own.
    #[must_use]
    pub fn ca_pem(&self) -> Option<&str> {
        self.ca_pem.as_deref()
    }

    /// The catalog, to watch its reloads.
    #[must_use]
    pub fn catalog(&self) -> &Catalog {
        &self.catalog
    }

    /// Stops it, when triggered.
    #[must_use]
    pub fn shutdown(&self) -> Shutdown {
        self.shutdown.clone()
    }

    /// Serves until a signal or [`Bound::shutdown`] stops it, or an essential part dies.
    ///
    /// # Errors
    /// What ended it before its time, or what had to be cut off.
    pub async fn until_stopped(mut self) -> Result<(), AppError> {
        let signals = self.shutdown.on_signals().map_err(AppError::Runtime)?;
        self.tasks.spawn_companion("signals", signals);
        self.wait().await
    }

    /// The same without listening for signals, for a server inside another program.
    ///
    /// # Errors
    /// As [`Bound::until_stopped`].
    pub async fn wait(self) -> Result<(), AppError> {
        self.tasks.wait(self.drain + AFTER_DRAIN).await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn callers_leave_descriptors_to_the_ledger_and_the_backends() {
        assert_eq!(connections(20_000), 4096);
        assert_eq!(connections(4096), 3584);
        assert_eq!(connections(1024), 512);
        assert_eq!(connections(256), 128);
    }
}
