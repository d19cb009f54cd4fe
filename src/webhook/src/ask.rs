//! What a pod asks for.

use esi_core::Plan;
use esi_resources::injection::{ContainerName, Delivery, MountPath};

use crate::config::VolumeKind;

/// Everything that a pod's annotations ask for, resolved and valid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// At least one; no binding twice.
    pub bindings: Vec<Binding>,
    /// What holds for the pod as a whole.
    pub options: Options,
    /// What has no effect and is told to the user in the answer.
    pub warnings: Vec<String>,
}

/// One binding of the pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Binding {
    /// What is fetched, and how it is shown.
    pub plan: Plan,
    /// What messages call the place where it is stated, such as "Injection `db`" or "annotation `…/generator`".
    pub origin: String,
    /// Who gets it: all application containers where empty.
    pub containers: Vec<ContainerName>,
    /// Where they find its files.
    pub mount_path: MountPath,
    /// Who fills its volume.
    pub delivery: Delivery,
}

/// What holds for the pod as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// What carries the files.
    pub volume: VolumeKind,
    /// Where the init container goes; decided by rule where absent.
    pub position: Option<Position>,
}

/// A place among the init containers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Position {
    /// Before all others.
    First,
    /// Directly before the named one.
    Before(ContainerName),
    /// Directly after the named one.
    After(ContainerName),
}
