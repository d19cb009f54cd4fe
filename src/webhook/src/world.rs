//! What is known of the cluster when a pod comes: read by watchers beforehand, never asked for.

use std::collections::BTreeMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use esi_core::names::{Namespace, ObjectName};
use esi_resources::injection::Injection;

/// One consistent view of the cluster.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct World {
    /// The injections of all namespaces.
    pub injections: Injections,
    /// Whether variables may come from env files.
    pub env_files: EnvFiles,
    /// Whether the API server has container-level restart rules (Kubernetes 1.35).
    pub restart_rules: bool,
}

/// The injections of all namespaces. A broken one is known as such, so that the denial says what is wrong with it.
pub type Injections = BTreeMap<(Namespace, ObjectName), Result<Arc<Injection>, String>>;

/// Whether `fileKeyRef` works everywhere in the cluster. Where it does not, Kubernetes sets the variable to nothing
/// and says nothing, so that it must never be emitted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum EnvFiles {
    /// The API server and every node have it.
    Supported,
    /// Something is older than Kubernetes 1.35.
    TooOld {
        /// What, such as "the API server" or "node `a`".
        what: String,
        /// Its version.
        version: String,
    },
    /// Not known yet.
    #[default]
    Unknown,
}

/// The newest view of the cluster. Clones see the same.
#[derive(Debug, Clone, Default)]
pub struct CurrentWorld(Arc<ArcSwap<World>>);

impl CurrentWorld {
    /// A view to begin with.
    #[must_use]
    pub fn new(world: World) -> Self {
        Self(Arc::new(ArcSwap::from_pointee(world)))
    }

    /// What is known now.
    #[must_use]
    pub fn get(&self) -> Arc<World> {
        self.0.load_full()
    }

    /// From now on, this is known.
    pub fn set(&self, world: World) {
        self.0.store(Arc::new(world));
    }
}
