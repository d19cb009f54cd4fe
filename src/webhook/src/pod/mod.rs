//! A read view over a pod's raw JSON.
//!
//! ```text
//!  json::Value ──read──▶ Pod { containers, volumes, annotations, … }   everything borrowed
//! ```
//!
//! It owns the knowledge of where things are in a pod and of which shape they must have. Invariants: whatever the
//! JSON is, reading it ends with a view or with the place of the first thing that is not as Kubernetes has it, and
//! never panics; `null` is the same as absent, as it is for Kubernetes; fields that nobody here reads are not looked
//! at, so that newer ones pass.

mod container;
mod object;
mod quantity;

use std::collections::BTreeSet;

use crate::json::{self, Value};
pub(crate) use container::{Container, Kind, Mount, Variable};
pub(crate) use object::Object;
pub use object::PodError;
pub(crate) use quantity::Quantity;

/// The annotation of a mirror pod: kubelet's own copy of a static pod, which nobody may change.
const MIRROR: &str = "kubernetes.io/config.mirror";
/// The label of nodes that says which system they run.
const NODE_OS: &str = "kubernetes.io/os";

/// A pod, as far as injection is concerned with it.
#[derive(Debug)]
pub(crate) struct Pod<'a> {
    /// Whether there is any metadata.
    pub(crate) has_metadata: bool,
    /// Its annotations.
    pub(crate) annotations: Option<json::Object<'a>>,
    /// Its labels.
    pub(crate) labels: Option<json::Object<'a>>,
    /// Its application containers, in order, then its init containers, in order.
    pub(crate) containers: Vec<Container<'a>>,
    /// Whether there is a list of init containers, be it empty.
    pub(crate) has_init_containers: bool,
    /// Names of its ephemeral containers.
    pub(crate) ephemeral: Vec<&'a str>,
    /// Its volumes; absent where there is no list.
    pub(crate) volumes: Option<Vec<Volume<'a>>>,
    /// Names of those in which nothing can be made, whatever their mounts say.
    pub(crate) read_only: BTreeSet<&'a str>,
    /// Who its containers run as where they do not say themselves.
    pub(crate) run_as_user: Option<i64>,
    /// As which group they run where they do not say themselves.
    pub(crate) run_as_group: Option<i64>,
    /// The group of all its containers.
    pub(crate) fs_group: Option<i64>,
    /// `Always`, `OnFailure` or `Never`.
    pub(crate) restart_policy: Option<&'a str>,
    /// Whether it states resources for itself as a whole.
    pub(crate) has_own_resources: bool,
    /// Whether it runs on Windows.
    pub(crate) windows: bool,
}

/// A volume.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Volume<'a> {
    /// Where it is in the list.
    pub(crate) index: usize,
    /// Its name.
    pub(crate) name: &'a str,
    /// All of it.
    pub(crate) raw: json::Object<'a>,
}

impl<'a> Volume<'a> {
    /// The driver of an inline volume.
    pub(crate) fn driver(&self) -> Option<&'a str> {
        self.raw.get("csi")?.get("driver")?.as_str()
    }

    fn is_read_only(&self) -> bool {
        ["configMap", "secret", "projected", "downwardAPI", "image"]
            .iter()
            .any(|kind| self.raw.get(kind).is_some_and(|source| !source.is_null()))
    }
}

impl<'a> Pod<'a> {
    /// Reads a pod.
    ///
    /// # Errors
    /// If something that is read has not the shape that Kubernetes gives it.
    pub(crate) fn read(pod: Value<'a>) -> Result<Self, PodError> {
        let pod = Object::root(pod)?;
        let metadata = pod.object("metadata")?;
        let (mut annotations, mut labels) = (None, None);
        if let Some(metadata) = &metadata {
            annotations = metadata.texts("annotations")?;
            labels = metadata.texts("labels")?;
        }
        let spec = pod.required_object("spec")?;
        let listed =
            |kind: Kind| spec.each(kind.list(), |index, object| Container::read(kind, index, object));
        let mut containers = listed(Kind::Application)?.unwrap_or_default();
        if containers.is_empty() {
            return Err(spec.error("containers", "there is none"));
        }
        let init = listed(Kind::Init)?;
        let has_init_containers = init.is_some();
        containers.extend(init.into_iter().flatten());
        let ephemeral = spec.each("ephemeralContainers", |_, object| object.required_text("name"))?;
        let security = spec.object("securityContext")?;
        let volumes = spec.each("volumes", |index, object| {
            let name = object.required_text("name")?;
            let raw = object.fields();
            Ok(Volume { index, name, raw })
        })?;
        let read_only = volumes.iter().flatten().filter(|volume| volume.is_read_only());
        let number = |key| security.as_ref().map_or(Ok(None), |security| security.id(key));
        Ok(Self {
            has_metadata: metadata.is_some(),
            annotations,
            labels,
            containers,
            has_init_containers,
            ephemeral: ephemeral.unwrap_or_default(),
            read_only: read_only.map(|volume| volume.name).collect(),
            volumes,
            run_as_user: number("runAsUser")?,
            run_as_group: number("runAsGroup")?,
            fs_group: number("fsGroup")?,
            restart_policy: spec.text("restartPolicy")?,
            has_own_resources: has_own_resources(&spec)?,
            windows: is_windows(&spec)?,
        })
    }

    /// Whether it is kubelet's own copy of a static pod.
    pub(crate) fn is_mirror(&self) -> bool {
        self.annotation(MIRROR).is_some()
    }

    /// The value of an annotation.
    pub(crate) fn annotation(&self, key: &str) -> Option<&'a str> {
        self.annotations?.get(key)?.as_str()
    }

    /// The value of a label.
    pub(crate) fn label(&self, key: &str) -> Option<&'a str> {
        self.labels?.get(key)?.as_str()
    }

    /// The application containers, in order.
    pub(crate) fn application(&self) -> impl Iterator<Item = &Container<'a>> {
        self.containers
            .iter()
            .filter(|container| container.kind == Kind::Application)
    }

    /// The init containers, in order.
    pub(crate) fn init(&self) -> impl Iterator<Item = &Container<'a>> {
        self.containers
            .iter()
            .filter(|container| container.kind == Kind::Init)
    }

    /// The volumes, in order.
    pub(crate) fn volumes(&self) -> &[Volume<'a>] {
        self.volumes.as_deref().unwrap_or_default()
    }

    /// Who a container runs as, where somebody says so.
    pub(crate) fn user_of(&self, container: &Container<'_>) -> Option<i64> {
        container.run_as_user.or(self.run_as_user)
    }

    /// As which group a container runs, where somebody says so.
    pub(crate) fn group_of(&self, container: &Container<'_>) -> Option<i64> {
        container.run_as_group.or(self.run_as_group)
    }
}

fn has_own_resources(spec: &Object<'_, '_>) -> Result<bool, PodError> {
    let Some(resources) = spec.object("resources")? else {
        return Ok(false);
    };
    for key in ["requests", "limits"] {
        if resources
            .object(key)?
            .is_some_and(|amounts| amounts.fields().entries().any(|(_, amount)| !amount.is_null()))
        {
            return Ok(true);
        }
    }
    Ok(false)
}

fn is_windows(spec: &Object<'_, '_>) -> Result<bool, PodError> {
    let named = match spec.object("os")? {
        Some(os) => os.text("name")?,
        None => None,
    };
    let selected = spec
        .texts("nodeSelector")?
        .and_then(|labels| labels.get(NODE_OS)?.as_str());
    Ok(named == Some("windows") || selected == Some("windows"))
}

#[cfg(test)]
mod tests;
