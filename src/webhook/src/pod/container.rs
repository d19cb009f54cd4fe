//! One container of a pod.

use serde_json::{Map, Value};

use super::object::{Object, PodError};
use super::quantity::Quantity;

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

/// A container. Its lists have been looked at, so that their elements can be taken for what they are.
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
    pub(crate) command: Option<&'a [Value]>,
    fields: &'a Map<String, Value>,
    env: Option<&'a [Value]>,
    mounts: Option<&'a [Value]>,
    devices: Option<&'a [Value]>,
    requests: Option<&'a Map<String, Value>>,
    limits: Option<&'a Map<String, Value>>,
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
            env: object.each("env", |_, variable| check_variable(variable))?,
            mounts: object.each("volumeMounts", |_, mount| {
                mount.required_text("name")?;
                mount.required_text("mountPath")?;
                mount.text("subPath")?;
                mount.flag("readOnly").map(drop)
            })?,
            devices: object.each("volumeDevices", |_, device| {
                device.required_text("name")?;
                device.required_text("devicePath").map(drop)
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
        self.env.unwrap_or_default().iter().map(|entry| Variable {
            name: text(entry, "name").unwrap_or_default(),
            file: entry
                .get("valueFrom")
                .and_then(|from| from.get("fileKeyRef"))
                .and_then(|file| Some((text(file, "volumeName")?, text(file, "path")?, text(file, "key")?))),
        })
    }

    /// Its mounts, in order.
    pub(crate) fn mounts(&self) -> impl DoubleEndedIterator<Item = Mount<'a>> + ExactSizeIterator {
        self.mounts.unwrap_or_default().iter().map(|entry| Mount {
            volume: text(entry, "name").unwrap_or_default(),
            path: text(entry, "mountPath").unwrap_or_default(),
            sub_path: text(entry, "subPath"),
            read_only: entry.get("readOnly").and_then(Value::as_bool).unwrap_or_default(),
        })
    }

    /// The probes and hooks that run a command of their own in it, beside its own process.
    pub(crate) fn commands_beside(&self) -> impl Iterator<Item = &'static str> {
        let runs = |name: &'static str, handler: Option<&Value>| {
            let exec = handler.and_then(|handler| handler.get("exec"));
            exec.is_some_and(Value::is_object).then_some(name)
        };
        let probes = ["startupProbe", "readinessProbe", "livenessProbe"];
        let probes = probes.map(|name| runs(name, self.fields.get(name)));
        let hooks = ["postStart", "preStop"];
        let hooks = hooks.map(|name| runs(name, hooks_of(self.fields, name)));
        probes.into_iter().chain(hooks).flatten()
    }

    /// Where its block devices are.
    pub(crate) fn device_paths(&self) -> impl Iterator<Item = &'a str> {
        self.devices
            .unwrap_or_default()
            .iter()
            .filter_map(|entry| text(entry, "devicePath"))
    }

    /// How much of a resource it may use at most; absent where that is nothing.
    pub(crate) fn limit(&self, resource: &str) -> Option<Quantity> {
        amount(self.limits, resource)
    }

    /// How much of a resource it asks for: its limit where it does not say. Absent where that is nothing.
    pub(crate) fn request(&self, resource: &str) -> Option<Quantity> {
        match self
            .requests
            .is_some_and(|requests| requests.contains_key(resource))
        {
            true => amount(self.requests, resource),
            false => self.limit(resource),
        }
    }
}

fn check_variable(variable: &Object<'_, '_>) -> Result<(), PodError> {
    variable.required_text("name")?;
    let Some(from) = variable.object("valueFrom")? else {
        return Ok(());
    };
    let Some(file) = from.object("fileKeyRef")? else {
        return Ok(());
    };
    for key in ["volumeName", "path", "key"] {
        file.required_text(key)?;
    }
    Ok(())
}

fn text<'a>(entry: &'a Value, key: &str) -> Option<&'a str> {
    entry.get(key)?.as_str()
}

fn hooks_of<'a>(container: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    container.get("lifecycle")?.get(name)
}

fn amount(amounts: Option<&Map<String, Value>>, resource: &str) -> Option<Quantity> {
    Quantity::read(amounts?.get(resource)?).filter(|quantity| !quantity.is_zero())
}
