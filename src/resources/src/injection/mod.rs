//! `Injection` (`esi.external-secrets.io/v1alpha1`): a plan, and which containers of which pods get it.
//!
//! ```text
//!  manifest ──parse──▶ Injection { plan, containers, mount path, delivery } ──webhook──▶ patch of a pod that names it
//!     │                    ▲
//!     └──its plan part──Plan::parse
//! ```
//!
//! Invariant: its plan is a valid [`Plan`], whose binding is the object's name. Reading is strict, and an error
//! names its place in the manifest. A federation server has no use for injections: its catalog passes over them.

mod model;
mod read;
pub(crate) mod schema;
pub(crate) mod spec;
mod status;
#[cfg(test)]
mod tests;

pub use model::{Delivery, MountPath};
pub use read::InjectionError;
pub use status::{Condition, InjectionStatus};

use esi_core::Plan;
use esi_core::names::{ContainerName, Namespace, ObjectName};

/// The API group and version of `Injection`.
pub const API_VERSION: &str = "esi.external-secrets.io/v1alpha1";

/// Most containers that one injection names. The largest pods have a few dozen.
pub const MAX_CONTAINERS: usize = 256;

/// One injection, as a namespace offers it to its pods.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Injection {
    /// Where it is, and where the pods are that may name it.
    pub namespace: Namespace,
    /// What pods call it.
    pub name: ObjectName,
    /// What is fetched, and how it is shown.
    pub plan: Plan,
    /// Who fills the volume; the cluster's default where absent.
    pub delivery: Option<Delivery>,
    /// Where containers find the files; [`MountPath::of`] the binding where absent.
    pub mount_path: Option<MountPath>,
    /// Who gets it: all application containers where empty; init and sidecar containers only by name.
    pub containers: Vec<ContainerName>,
}
