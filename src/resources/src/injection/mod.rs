//! `Injection` (`esi.external-secrets.io/v1alpha1`): a plan, and which containers of which pods get it.
//!
//! ```text
//!  manifest ──▶ Injection { plan, containers, mount path, delivery } ──webhook──▶ patch of a pod that names it
//! ```
//!
//! Invariant: its plan is a valid [`Plan`], whose binding is the object's name.

mod model;

pub use model::{ContainerName, Delivery, MountPath};

use esi_core::Plan;
use esi_core::names::{Namespace, ObjectName};

/// The API group and version of `Injection`.
pub const API_VERSION: &str = "esi.external-secrets.io/v1alpha1";

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
