//! One container of a pod.

use super::object::{Object, PodError};
use super::quantity::Quantity;
use crate::json::{self, Value};

/// In which list a container is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// `spec.containers`.
    Application,
    /// `spec.initContainers`, native sidecars among them.
    Init,
}

impl Kind {
    /// The name of the list.
    pub(crate) const fn list(self) -> &'static str {
        match self {
            Self::Application => "containers",
            Self::Init => "initContainers",
        }
    }
}

/// A container.
#[derive(Debug)]
pub(crate) struct Container<'a> {
    pub(crate) kind: Kind,
    /// Where it is in its list.
    pub(crate) index: usize,
    pub(crate) name: &'a str,
    /// Whether it is an init container that runs on, beside the others.
    pub(crate) sidecar: bool,
    pub(crate) run_as_user: Option<i64>,
    pub(crate) run_as_group: Option<i64>,
    /// What it runs in the image's place; absent where it says nothing.
    pub(crate) command: Option<Vec<&'a str>>,
    fields: json::Object<'a>,
    env: Option<Vec<Variable<'a>>>,
    mounts: Option<Vec<Mount<'a>>>,
    /// Where its block devices are.
    devices: Option<Vec<&'a str>>,
    requests: Option<json::Object<'a>>,
    limits: Option<json::Object<'a>>,
}

/// An environment variable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Variable<'a> {
    pub(crate) name: &'a str,
    /// Volume, path and key of the env file that it comes from.
    pub(crate) file: Option<(&'a str, &'a str, &'a str)>,
}

/// A mount of a volume.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Mount<'a> {
    pub(crate) volume: &'a str,
    pub(crate) path: &'a str,
    pub(crate) sub_path: Option<&'a str>,
    pub(crate) read_only: bool,
}

impl<'a> Container<'a> {
    pub(super) fn read(kind: Kind, index: usize, object: &Object<'a, '_>) -> Result<Self, PodError> {
        let security = object.object("securityContext")?;
        let id = |key| security.as_ref().map_or(Ok(None), |security| security.id(key));
        let (mut requests, mut limits) = (None, None);
        if let Some(resources) = object.object("resources")? {
            requests = resources.object("requests")?.map(|object| object.fields());
            limits = resources.object("limits")?.map(|object| object.fields());
        }
        let sidecar = kind == Kind::Init && object.text("restartPolicy")? == Some("Always");
        Ok(Self {
            kind,
            index,
            name: object.required_text("name")?,
            sidecar,
            run_as_user: id("runAsUser")?,
            run_as_group: id("runAsGroup")?,
            command: object.text_list("command")?.filter(|command| !command.is_empty()),
            fields: object.fields(),
            env: object.each("env", |_, variable| Variable::read(variable))?,
            mounts: object.each("volumeMounts", |_, mount| Mount::read(mount))?,
            devices: object.each("volumeDevices", |_, device| {
                device.required_text("name")?;
                device.required_text("devicePath")
            })?,
            requests,
            limits,
        })
    }

    /// Whether it has a list of variables, be it empty.
    pub(crate) fn has_env(&self) -> bool {
        self.env.is_some()
    }

    /// Whether it has a list of mounts, be it empty.
    pub(crate) fn has_mounts(&self) -> bool {
        self.mounts.is_some()
    }

    /// Its variables, in order.
    pub(crate) fn env(&self) -> impl DoubleEndedIterator<Item = Variable<'a>> + ExactSizeIterator {
        self.env.as_deref().unwrap_or_default().iter().copied()
    }

    /// Its mounts, in order.
    pub(crate) fn mounts(&self) -> impl DoubleEndedIterator<Item = Mount<'a>> + ExactSizeIterator {
        self.mounts.as_deref().unwrap_or_default().iter().copied()
    }

    /// The probes and hooks that run a command of their own in it, beside its own process.
    pub(crate) fn commands_beside(&self) -> impl Iterator<Item = &'static str> {
        let runs = |name: &'static str, handler: Option<Value<'_>>| {
            handler?.get("exec")?.as_object().map(|_command| name)
        };
        let probes = ["startupProbe", "readinessProbe", "livenessProbe"];
        let probes = probes.map(|name| runs(name, self.fields.get(name)));
        let hooks = ["postStart", "preStop"];
        let lifecycle = self.fields.get("lifecycle");
        let hooks = hooks.map(|name| runs(name, lifecycle.and_then(|lifecycle| lifecycle.get(name))));
        probes.into_iter().chain(hooks).flatten()
    }

    /// Where its block devices are.
    pub(crate) fn device_paths(&self) -> impl Iterator<Item = &'a str> {
        self.devices.as_deref().unwrap_or_default().iter().copied()
    }

    /// How much of a resource it may use at most; absent where that is nothing.
    pub(crate) fn limit(&self, resource: &str) -> Option<Quantity> {
        stated(self.limits?.get(resource)?)
    }

    /// How much of a resource it asks for: its limit where it does not say. Absent where that is nothing.
    pub(crate) fn request(&self, resource: &str) -> Option<Quantity> {
        match self.requests.and_then(|requests| requests.get(resource)) {
            Some(amount) => stated(amount),
            None => self.limit(resource),
        }
    }
}

impl<'a> Variable<'a> {
    fn read(variable: &Object<'a, '_>) -> Result<Self, PodError> {
        let name = variable.required_text("name")?;
        let mut file = None;
        if let Some(from) = variable.object("valueFrom")?
            && let Some(reference) = from.object("fileKeyRef")?
        {
            file = Some((
                reference.required_text("volumeName")?,
                reference.required_text("path")?,
                reference.required_text("key")?,
            ));
        }
        Ok(Self { name, file })
    }
}

impl<'a> Mount<'a> {
    fn read(mount: &Object<'a, '_>) -> Result<Self, PodError> {
        Ok(Self {
            volume: mount.required_text("name")?,
            path: mount.required_text("mountPath")?,
            sub_path: mount.text("subPath")?,
            read_only: mount.flag("readOnly")?,
        })
    }
}

fn stated(amount: Value<'_>) -> Option<Quantity> {
    Quantity::read(amount).filter(|quantity| !quantity.is_zero())
}
