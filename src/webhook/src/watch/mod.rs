//! What happens in the cluster, so that admission never has to ask.
//!
//! ```text
//!  Injections ──follow──▶ ┐                                        ┌─▶ CurrentWorld (admission)
//!  nodes ───────follow──▶ ├─ Change ──▶ Picture (pure, one owner) ─┤
//!  /version ────poll────▶ ┘                                        └─▶ Objects (reports)
//! ```
//!
//! Invariants: what is published is a complete list, changed by every event since; while the API server cannot be
//! reached, the last view stays, and a metric says since when; a broken object is kept as broken and stops nobody.
//!
//! Whether env files work is decided by the API server's version and the kubelets' on all nodes but virtual ones, which
//! are known by the label `type: virtual-kubelet` or `esi.external-secrets.io/virtual: "true"`.

mod follow;
mod objects;
mod picture;
mod view;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use esi_core::Clock;
use esi_runtime::{Blocker, Readiness, Tasks};
use kube::Api;
use tokio::sync::{mpsc, watch};
use tokio::time::sleep;

pub use objects::{Key, Observed, injections};

use crate::metrics::Metrics;
use crate::world::CurrentWorld;
use picture::{Change, Picture, Touched};

/// The Injections of the cluster as objects.
pub type Objects = BTreeMap<Key, Arc<Observed>>;

/// Changes that wait to be taken: a watch that is faster waits in its turn.
const WAITING: usize = 256;
/// After a view was published, changes gather for so long: a view costs time in proportion to the number of Injections,
/// and a burst of changes should cost a few views, not one each.
const GATHER: Duration = Duration::from_millis(50);
/// Injections in one answer. Most have a few hundred bytes, but anybody may make them as large as etcd takes (1.5 MiB),
/// and a page is held twice, as it came and as it was read: 12 MiB at most, far below the 128 MiB of the manifest.
const INJECTIONS_IN_A_PAGE: u32 = 4;
/// Nodes in one answer: 10 to 50 KiB each, of which a few bytes are kept.
const NODES_IN_A_PAGE: u32 = 50;

/// What is watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Watched {
    Injections,
    Nodes,
    Version,
}

impl Watched {
    const ALL: [Self; 3] = [Self::Injections, Self::Nodes, Self::Version];

    const fn name(self) -> &'static str {
        match self {
            Self::Injections => "injections",
            Self::Nodes => "nodes",
            Self::Version => "version",
        }
    }
}

/// Where a watch puts what it sees.
struct Out {
    watched: Watched,
    changes: mpsc::Sender<Change>,
    metrics: Arc<Metrics>,
    clock: Arc<dyn Clock>,
}

/// A cluster, and who is to know of it.
pub struct Watch {
    /// The cluster.
    pub client: kube::Client,
    /// Kept current.
    pub world: CurrentWorld,
    /// Says since when what is not seen.
    pub metrics: Arc<Metrics>,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch").finish_non_exhaustive()
    }
}

impl Watch {
    /// Begins to watch. Nothing is ready before everything was seen once. The answer follows the Injections as objects.
    pub fn spawn(self, tasks: &mut Tasks, readiness: &Readiness) -> watch::Receiver<Arc<Objects>> {
        let Self {
            client,
            world,
            metrics,
            clock,
        } = self;
        let (changes, changed) = mpsc::channel(WAITING);
        let out = |watched| Out {
            watched,
            changes: changes.clone(),
            metrics: Arc::clone(&metrics),
            clock: Arc::clone(&clock),
        };
        let injections = Api::all_with(client.clone(), &objects::injections());
        tasks.spawn_companion(
            "watch of injections",
            follow::objects(
                injections,
                INJECTIONS_IN_A_PAGE,
                objects::injection,
                Change::Injection,
                out(Watched::Injections),
            ),
        );
        let nodes = Api::all_with(client.clone(), &objects::nodes());
        tasks.spawn_companion(
            "watch of nodes",
            follow::objects(
                nodes,
                NODES_IN_A_PAGE,
                objects::obstacle,
                Change::Node,
                out(Watched::Nodes),
            ),
        );
        tasks.spawn_companion(
            "watch of the version",
            follow::version(client, out(Watched::Version)),
        );
        let (known, follower) = watch::channel(Arc::default());
        let blockers = Watched::ALL.map(|watched| (watched, readiness.block(watched.name())));
        tasks.spawn_companion("world", keep(changed, world, known, blockers.into()));
        follower
    }
}

/// Owns the picture: takes changes, publishes views. Ends when no watch is left.
async fn keep(
    mut changes: mpsc::Receiver<Change>,
    world: CurrentWorld,
    objects: watch::Sender<Arc<Objects>>,
    mut blockers: Vec<(Watched, Blocker)>,
) {
    let mut picture = Picture::default();
    let mut batch = Vec::with_capacity(WAITING);
    while changes.recv_many(&mut batch, WAITING).await > 0 {
        let mut touched = Touched::default();
        for change in batch.drain(..) {
            let Touched { world, objects } = picture.apply(change);
            touched.world |= world;
            touched.objects |= objects;
        }
        if touched.world {
            world.set(picture.world());
        }
        if touched.objects {
            objects.send_replace(Arc::new(picture.objects()));
        }
        // Only now is what was awaited there for all to see.
        blockers.retain(|(watched, _)| !picture.has(*watched));
        if touched.world || touched.objects {
            sleep(GATHER).await;
        }
    }
}

#[cfg(test)]
mod tests;
