//! Wiring: from a configuration to a webhook that listens, and to its end.
//!
//! ```text
//!  configuration file, CA files ──follow──▶ Current ────────┐
//!  cluster ─────────────────────watch────▶ CurrentWorld ────┼─▶ admission::Server ──▶ TLS port
//!  certificate ─────────────────reload───▶ ServerTls ───────┘     readiness, metrics ──▶ admin port
//!     ▲ authority: kept in a Secret by the keeper, which also has the API server trust it
//! ```
//!
//! Nothing listens before the configuration and the certificate are good: a start with broken ones fails and says why.

mod error;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use esi_core::Clock;
use esi_runtime::{
    AdminState, Listener, Readiness, ServeLimits, ServerTls, Shutdown, Tasks, TlsSource, admin, serve,
};
use prometheus_client::registry::Registry;

pub use error::AppError;

use crate::admission;
use crate::certificates::{Keeper, KeeperConfig};
use crate::cluster::Cluster;
use crate::config;
use crate::denials::Denials;
use crate::metrics::Metrics;
use crate::report::{Refusals, Report};
use crate::watch::Watch;
use crate::world::CurrentWorld;

/// Where the webhook's certificate comes from.
#[derive(Debug)]
pub enum Certificate {
    /// Given by somebody else, who also tells the API server to trust it.
    Given(TlsSource),
    /// Minted by the webhook's own authority.
    Kept {
        /// The cluster that holds the authority.
        cluster: Cluster,
        /// Where it is, and who must trust it.
        keeper: KeeperConfig,
        /// DNS names and addresses by which the API server calls the webhook, at least one.
        names: Vec<String>,
    },
}

/// All that a webhook is told.
#[derive(Debug)]
pub struct Config {
    /// The configuration file.
    pub configuration: PathBuf,
    /// Where the API server is served; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Where health and metrics are served; port 0 takes a free one.
    pub admin_listen: SocketAddr,
    /// The certificate.
    pub certificate: Certificate,
    /// What is known of the cluster.
    pub world: CurrentWorld,
    /// The cluster, which keeps `world` current and is told about its Injections. Without one `world` never changes.
    pub cluster: Option<Cluster>,
    /// What callers may cost: [`limits`].
    pub limits: ServeLimits,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

/// A webhook that listens.
#[derive(Debug)]
pub struct Bound {
    address: SocketAddr,
    admin_address: SocketAddr,
    ca_pem: Option<String>,
    configuration: config::Current,
    readiness: Readiness,
    shutdown: Shutdown,
    tasks: Tasks,
    drain: Duration,
}

/// What is left to the tasks once the reviews have ended.
const AFTER_DRAIN: Duration = Duration::from_secs(2);

/// The callers are a few API servers. Each of these connections costs 50 KiB at most: 13 MiB in all.
const MAX_CONNECTIONS: usize = 256;

/// The API server gives a webhook 30 s at the very most, and this one 5 s: a body that takes longer is for nobody.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

/// Opens everything, then listens.
///
/// # Errors
/// See [`AppError`].
pub async fn build(config: Config) -> Result<Bound, AppError> {
    // Exhaustive, so that a new field that is not wired does not compile.
    let Config {
        configuration,
        listen,
        admin_listen,
        certificate,
        world,
        cluster,
        limits,
        clock,
    } = config;
    let mut registry = Registry::with_prefix("esi");
    let runtime_metrics = esi_runtime::Metrics::register(&mut registry);
    let metrics = Arc::new(Metrics::register(&mut registry));

    let (configuration, follower) = config::open(&configuration, Arc::clone(&metrics))?;
    let (source, keeper) = match certificate {
        Certificate::Given(source) => (source, None),
        Certificate::Kept {
            cluster: Cluster(client),
            keeper,
            names,
        } => {
            let keeper = Keeper::open(client, keeper, Arc::clone(&clock), Arc::clone(&metrics)).await?;
            let authority = keeper.current();
            (TlsSource::Authority { authority, names }, Some(keeper))
        }
    };
    let (tls, reloader) = ServerTls::open(source, Arc::clone(&clock), &runtime_metrics)?;
    let listener = Listener::bind(listen)?;
    let admin_listener = Listener::bind(admin_listen)?;
    let (address, admin_address) = (listener.local_addr(), admin_listener.local_addr());
    let (shutdown, readiness) = (Shutdown::new(), Readiness::new());

    let mut tasks = Tasks::new(shutdown.clone());
    let refusals = match cluster {
        None => Refusals::default(),
        Some(Cluster(client)) => {
            let (world, metrics) = (world.clone(), Arc::clone(&metrics));
            let watch = Watch {
                client: client.clone(),
                world,
                metrics: Arc::clone(&metrics),
                clock: Arc::clone(&clock),
            };
            let report = Report {
                client,
                objects: watch.spawn(&mut tasks, &readiness),
                configuration: configuration.clone(),
                metrics,
                clock,
            };
            report.spawn(&mut tasks)
        }
    };
    let router = admission::router(admission::Server {
        configuration: configuration.clone(),
        world,
        metrics,
        denials: Denials::default(),
        refusals,
    });
    let ca_pem = tls.ca_pem();
    tasks.spawn(
        "https",
        serve(listener, tls, router, limits, runtime_metrics, shutdown.clone()),
    );
    tasks.spawn_companion("certificates", reloader.run(shutdown.clone()));
    if let Some(keeper) = keeper {
        let blocker = readiness.block("ca_bundle");
        tasks.spawn_companion("authorities", keeper.run(blocker, shutdown.clone()));
    }
    tasks.spawn_companion("configuration", follower.run());
    let state = AdminState {
        readiness: readiness.clone(),
        shutdown: shutdown.clone(),
        registry: Arc::new(registry),
    };
    tasks.spawn_companion("admin", admin::serve(admin_listener, state));
    tracing::info!(event = "listening", %address, %admin_address, version = env!("CARGO_PKG_VERSION"));
    Ok(Bound {
        address,
        admin_address,
        ca_pem,
        configuration,
        readiness,
        shutdown,
        tasks,
        drain: limits.drain,
    })
}

/// What an API server may cost; reviews that run at the end have `drain` to end.
#[must_use]
pub fn limits(drain: Duration) -> ServeLimits {
    ServeLimits {
        max_connections: MAX_CONNECTIONS,
        request_timeout: REQUEST_TIMEOUT,
        drain,
        ..ServeLimits::default()
    }
}

impl Bound {
    /// Where the API server is served.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where health and metrics are served.
    #[must_use]
    pub fn admin_address(&self) -> SocketAddr {
        self.admin_address
    }

    /// What clients must trust, where the webhook has a CA of its own.
    #[must_use]
    pub fn ca_pem(&self) -> Option<&str> {
        self.ca_pem.as_deref()
    }

    /// The configuration, to watch its reloads.
    #[must_use]
    pub fn configuration(&self) -> config::Current {
        self.configuration.clone()
    }

    /// What is still awaited.
    #[must_use]
    pub fn readiness(&self) -> Readiness {
        self.readiness.clone()
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

    /// The same without listening for signals, for a webhook inside another program.
    ///
    /// # Errors
    /// As [`Bound::until_stopped`].
    pub async fn wait(self) -> Result<(), AppError> {
        self.tasks.wait(self.drain + AFTER_DRAIN).await?;
        Ok(())
    }
}
