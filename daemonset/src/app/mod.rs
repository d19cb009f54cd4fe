//! Wiring: from a configuration to a daemon that kubelet knows, and to its end.
//!
//! ```text
//!  kernel, state directory ──▶ Volumes (reconciled) ──▶ csi.sock ──▶ probed ──▶ registration socket ──▶ kubelet
//!                                                                                  readiness, metrics ──▶ admin port
//! ```
//!
//! kubelet hears of the daemon last: from then on it calls. At the end it is the first to hear, and the calls that run
//! are finished.

mod error;
mod upkeep;

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use esi_core::names::ObjectName;
use esi_core::{Checkpoint, Clock};
use esi_runtime::{AdminState, Blocker, Listener, Readiness, Shutdown, Tasks, admin};
use prometheus_client::registry::Registry;
use tokio::sync::watch;

pub use error::AppError;

use crate::csi::identity::IdentityService;
use crate::csi::node::NodeService;
use crate::csi::registration::{self, RegistrationService, Standing};
use crate::csi::socket::{Paths, Socket, remove_stale};
use crate::csi::{self, DriverName, probe};
use crate::fill::{Fill, NodeFill};
use crate::keep::{self, Keeper};
use crate::metrics::{Measured, Metrics};
use crate::mount::{Kernel, Pods, Staging};
use crate::request::KubeletRoot;
use crate::server::{self, Servers};
use crate::state::{BootId, Store};
use crate::volume::{Driver, Parts, Volumes};

/// All that a daemon is told.
#[derive(Debug)]
pub struct Config {
    /// kubelet's directory.
    pub kubelet_root: KubeletRoot,
    /// The node's name.
    pub node: ObjectName,
    /// The driver's name.
    pub driver: DriverName,
    /// The directory of the records.
    pub state: PathBuf,
    /// The federation servers; without them the daemon fills no volume, and init containers do.
    pub servers: Option<ServersAt>,
    /// Whether volumes that could be swapped out are none.
    pub require_noswap: bool,
    /// Where health and metrics are served; port 0 takes a free one.
    pub admin_listen: SocketAddr,
    /// How long running calls may take to end.
    pub drain: Duration,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// The named steps.
    pub checkpoint: Arc<dyn Checkpoint>,
}

/// Where the federation servers are described.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServersAt {
    /// The file of servers.
    pub file: PathBuf,
    /// The directory of the daemon's own tokens, each in a file called as its server.
    pub tokens: PathBuf,
}

/// A daemon that listens.
#[derive(Debug)]
pub struct Bound {
    admin_address: SocketAddr,
    paths: Paths,
    readiness: Readiness,
    shutdown: Shutdown,
    tasks: Tasks,
    drain: Duration,
}

/// What readiness waits for.
const REGISTRATION: &str = "registration with kubelet";
/// What is left to the tasks once the calls have ended.
const AFTER_DRAIN: Duration = Duration::from_secs(2);

/// Opens everything, brings the volumes in order, then lets kubelet know.
///
/// # Errors
/// See [`AppError`].
pub async fn build(config: Config) -> Result<Bound, AppError> {
    // Exhaustive, so that a new field that is not wired does not compile.
    let Config {
        kubelet_root,
        node,
        driver,
        state,
        servers,
        require_noswap,
        admin_listen,
        drain,
        clock,
        checkpoint,
    } = config;
    // Each volume and each call of kubelet's has some.
    let _descriptors = esi_runtime::descriptors::raise();
    let boot = BootId::read().map_err(AppError::Boot)?;
    let paths = Paths::new(&kubelet_root, driver.as_str(), &boot);
    let home = paths.csi.parent().unwrap_or(kubelet_root.path()).to_owned();
    let admin_listener = Listener::bind(admin_listen)?;
    let admin_address = admin_listener.local_addr();
    let (shutdown, readiness) = (Shutdown::new(), Readiness::new());
    let awaited = readiness.block(REGISTRATION);
    let mut tasks = Tasks::new(shutdown.clone());
    let servers = match servers {
        Some(ServersAt { file, tokens }) => {
            let (servers, follower) = server::open(file, tokens)?;
            tasks.spawn_companion("servers", follower.run());
            servers
        }
        None => Servers::none(),
    };
    let mut registry = Registry::with_prefix("esi");
    let metrics = Arc::new(Metrics::register(&mut registry));
    let (told, inbox) = keep::channel();

    let (volumes, fill) = {
        let (root, home) = (kubelet_root.clone(), home.clone());
        let (servers, clock) = (servers.clone(), Arc::clone(&clock));
        let checkpoint = Arc::clone(&checkpoint);
        let start = move || -> Result<(Volumes, Arc<NodeFill>), AppError> {
            make(&home)?;
            let pods = Arc::new(Pods::open(&root)?);
            pods.require_shared()?;
            let kernel = Kernel::probe(|| Staging::open(&home.join("staging")))?;
            if require_noswap {
                kernel.require_noswap()?;
            }
            let fill = Arc::new(NodeFill::new(servers, Arc::clone(&pods)).telling(Arc::clone(&checkpoint)));
            let volumes = Volumes::start(Parts {
                pods,
                kernel,
                store: Store::open(&state)?,
                boot,
                fill: Arc::clone(&fill) as Arc<dyn Fill>,
                keep: Arc::new(told),
                clock,
                checkpoint,
            })?;
            Ok((volumes, fill))
        };
        // Reads every record and the table of mounts: off the async threads.
        tokio::task::spawn_blocking(start)
            .await
            .map_err(|_panicked| AppError::Panicked)??
    };
    let volumes = Arc::new(volumes);
    let events = upkeep::events(&metrics, &mut tasks);
    let world = keep::Node {
        volumes: Arc::clone(&volumes),
        servers,
        fill,
        clock: Arc::clone(&clock),
        checkpoint,
    };
    let keeper = Keeper::new(inbox, Arc::new(world), events, Arc::clone(&metrics), clock);
    tasks.spawn_companion("keeper", keeper.run());
    tasks.spawn_companion("reconcile", upkeep::reconcile(Arc::clone(&volumes)));

    remove_stale(&kubelet_root, driver.as_str())?;
    let driver_calls = Arc::new(Measured::new(Arc::clone(&volumes), metrics));
    let node = NodeService::new(kubelet_root, node, driver_calls as Arc<dyn Driver>);
    let registration = RegistrationService::new(driver.clone(), paths.csi.clone());
    let standing = registration.standing();
    let socket = Socket::open(&paths.csi)?;
    tasks.spawn("csi", {
        let identity = IdentityService::new(driver);
        let shutdown = shutdown.clone();
        async move {
            let ended = csi::server::csi(socket, identity, node, shutdown).await;
            volumes.drain().await;
            ended
        }
    });
    // kubelet calls as soon as it knows: not before somebody answers.
    probe::csi(&paths.csi).await?;
    let socket = Socket::open(&paths.registration)?;
    tasks.spawn_companion(
        "registration again",
        registration::retry(standing.clone(), socket.renewal()),
    );
    tasks.spawn_companion("readiness", follow(standing, readiness.clone(), awaited));
    tasks.spawn(
        "registration",
        csi::server::registration(socket, registration, shutdown.clone()),
    );
    let state = AdminState {
        readiness: readiness.clone(),
        shutdown: shutdown.clone(),
        registry: Arc::new(registry),
    };
    let dial = {
        let (paths, shutdown) = (paths.clone(), shutdown.clone());
        move || health(paths.clone(), shutdown.clone())
    };
    tasks.spawn_companion("admin", admin::serve_checked(admin_listener, state, dial));
    tracing::info!(
        event = "listening",
        csi = %paths.csi.display(),
        registration = %paths.registration.display(),
        %admin_address,
        version = env!("CARGO_PKG_VERSION"),
    );
    Ok(Bound {
        admin_address,
        paths,
        readiness,
        shutdown,
        tasks,
        drain,
    })
}

/// The directory of the sockets, for root alone. kubelet makes the one above it.
fn make(home: &Path) -> Result<(), AppError> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(home)
        .map_err(|source| AppError::Directory {
            path: home.to_owned(),
            source,
        })
}

/// Ready while kubelet calls the driver.
async fn follow(mut standing: watch::Receiver<Standing>, readiness: Readiness, mut awaited: Blocker) {
    let is_in = |standing: &Standing| *standing == Standing::Registered;
    loop {
        // The sender lives in the service, which outlives this.
        if standing.wait_for(is_in).await.is_err() {
            return std::future::pending().await;
        }
        drop(awaited);
        if standing.wait_for(|standing| !is_in(standing)).await.is_err() {
            return std::future::pending().await;
        }
        awaited = readiness.block(REGISTRATION);
    }
}

/// Whether kubelet could call. At the end it no longer should, and to kill what is draining helps nobody.
async fn health(paths: Paths, shutdown: Shutdown) -> Result<(), String> {
    if shutdown.is_requested() {
        return Ok(());
    }
    probe::both(&paths)
        .await
        .map_err(|unanswered| esi_core::chain(&unanswered))
}

impl Bound {
    /// Where health and metrics are served.
    #[must_use]
    pub fn admin_address(&self) -> SocketAddr {
        self.admin_address
    }

    /// The sockets.
    #[must_use]
    pub fn paths(&self) -> &Paths {
        &self.paths
    }

    /// Whether kubelet calls the driver.
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

    /// The same without listening for signals, for a daemon inside another program.
    ///
    /// # Errors
    /// As [`Bound::until_stopped`].
    pub async fn wait(self) -> Result<(), AppError> {
        self.tasks.wait(self.drain + AFTER_DRAIN).await?;
        Ok(())
    }
}
