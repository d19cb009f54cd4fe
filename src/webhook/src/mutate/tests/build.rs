//! What the tests are made of: pods, bindings, configuration; and pods after their patch.

use std::collections::BTreeMap;
use std::time::Duration;

use esi_core::Plan;
use esi_resources::injection::{Delivery, MountPath};
use serde_json::{Value, json};

use crate::ask::{Asked, Binding, Options, Position};
use crate::check::problems;
use crate::config::{Configuration, InitContainer, Server, VolumeKind};
use crate::json::Json;
use crate::mutate::{MutateError, Mutation, mutate};
use crate::world::{EnvFiles, World};

/// Builds a binding.
pub(crate) struct Bind {
    plan: Value,
    containers: Vec<String>,
    mount_path: Option<String>,
    delivery: Delivery,
}

impl Bind {
    /// A binding of delivery `init` that shows nothing yet.
    pub(crate) fn new(name: &str) -> Self {
        let generator = json!({ "kind": "PostgreSQL", "namespace": "platform", "name": "shop" });
        Self {
            plan: json!({
                "version": 1, "binding": name, "source": { "generator": generator }, "env": [], "files": [],
            }),
            containers: Vec::new(),
            mount_path: None,
            delivery: Delivery::Init,
        }
    }

    fn push(mut self, list: &str, value: Value) -> Self {
        self.plan[list].as_array_mut().unwrap().push(value);
        self
    }

    pub(crate) fn env(self, name: &str, key: &str) -> Self {
        self.push("env", json!({ "name": name, "key": key }))
    }

    pub(crate) fn template(self, name: &str, template: &str) -> Self {
        self.push("env", json!({ "name": name, "template": template }))
    }

    pub(crate) fn file(self, path: &str) -> Self {
        self.push("files", json!({ "path": path, "format": "json" }))
    }

    pub(crate) fn file_with_mode(self, path: &str, mode: &str) -> Self {
        self.push("files", json!({ "path": path, "format": "json", "mode": mode }))
    }

    pub(crate) fn set(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.plan[key] = value.into();
        self
    }

    pub(crate) fn exec(self) -> Self {
        self.set("envMethod", "exec")
    }

    pub(crate) fn server(self, name: &str) -> Self {
        self.set("server", name)
    }

    pub(crate) fn node(mut self) -> Self {
        self.delivery = Delivery::Node;
        self
    }

    pub(crate) fn containers(mut self, names: &[&str]) -> Self {
        self.containers = names.iter().map(ToString::to_string).collect();
        self
    }

    pub(crate) fn mount_path(mut self, path: &str) -> Self {
        self.mount_path = Some(path.to_owned());
        self
    }

    fn build(self) -> Binding {
        let plan = Plan::parse(&self.plan.to_string()).unwrap();
        Binding {
            origin: format!("Injection `{}`", plan.binding),
            containers: self.containers.iter().map(|name| name.parse().unwrap()).collect(),
            mount_path: match self.mount_path {
                Some(path) => path.parse().unwrap(),
                None => MountPath::of(&plan.binding),
            },
            delivery: self.delivery,
            json: plan.to_json(),
            plan,
        }
    }
}

pub(crate) fn ask(bindings: impl IntoIterator<Item = Bind>) -> Asked {
    Asked {
        bindings: bindings.into_iter().map(Bind::build).collect(),
        options: Options {
            volume: VolumeKind::Csi,
            position: None,
        },
        warnings: Vec::new(),
    }
}

pub(crate) fn in_memory(mut asked: Asked) -> Asked {
    asked.options.volume = VolumeKind::EmptyDir;
    asked
}

pub(crate) fn at(position: Position, mut asked: Asked) -> Asked {
    asked.options.position = Some(position);
    asked
}

pub(crate) fn before(name: &str) -> Position {
    Position::Before(name.parse().unwrap())
}

pub(crate) fn after(name: &str) -> Position {
    Position::After(name.parse().unwrap())
}

pub(crate) fn server(url: &str, audience: &str) -> Server {
    let ca = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n".to_owned();
    Server {
        url: url.to_owned(),
        ca,
        audience: audience.to_owned(),
    }
}

pub(crate) fn configuration() -> Configuration {
    let servers = [
        ("default", server("https://esi.esi-system:8443", "esi")),
        ("east", server("https://east.example:8443", "esi-east")),
        ("west", server("https://west.example:8443", "esi")),
    ];
    Configuration {
        servers: servers
            .map(|(name, server)| (name.parse().unwrap(), server))
            .into_iter()
            .collect::<BTreeMap<_, _>>(),
        delivery: Delivery::Init,
        volume: VolumeKind::Csi,
        init: InitContainer {
            image: "registry.example/esi-cli:0.1.0".to_owned(),
            image_pull_policy: None,
            run_as_user: 65532,
            cpu: "10m".to_owned(),
            memory: "16Mi".to_owned(),
            deadline: Duration::from_secs(120),
            token_lifetime: Duration::from_secs(600),
        },
    }
}

/// A cluster of Kubernetes 1.35 or newer.
pub(crate) fn world() -> World {
    World {
        env_files: EnvFiles::Supported,
        restart_rules: true,
        ..World::default()
    }
}

/// A pod of one container, with the fields that matter for who may read.
pub(crate) fn pod() -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": { "generateName": "shop-", "annotations": { "esi.external-secrets.io/inject": "db" } },
        "spec": {
            "containers": [container("app")],
            "securityContext": { "runAsUser": 1000, "runAsGroup": 1000 },
        },
    })
}

pub(crate) fn container(name: &str) -> Value {
    json!({ "name": name, "image": "shop:1", "command": ["/bin/shop"], "args": ["--listen", "$(PORT)"] })
}

/// A pod of these application containers.
pub(crate) fn pod_of(names: &[&str]) -> Value {
    let mut pod = pod();
    pod["spec"]["containers"] = names.iter().map(|name| container(name)).collect();
    pod
}

/// A pod with these init containers; a name that ends with `!` is a native sidecar's.
pub(crate) fn pod_with_init(names: &[&str]) -> Value {
    let mut pod = pod();
    let one = |name: &&str| {
        let mut one = container(name.trim_end_matches('!'));
        if name.ends_with('!') {
            one["restartPolicy"] = json!("Always");
        }
        one
    };
    pod["spec"]["initContainers"] = names.iter().map(one).collect();
    pod
}

/// Sets a field of a pod.
pub(crate) fn with(mut pod: Value, pointer: &str, value: Value) -> Value {
    let (above, key) = pointer.rsplit_once('/').unwrap();
    let above = pod.pointer_mut(above).unwrap_or_else(|| panic!("no {above}"));
    match above {
        Value::Array(list) => list[key.parse::<usize>().unwrap()] = value,
        above => above[key] = value,
    }
    pod
}

pub(crate) fn try_mutate(pod: &Value, asked: &Asked) -> Result<Mutation, MutateError> {
    mutate(&Json::of(pod), asked, &world(), &configuration())
}

pub(crate) fn apply(pod: &Value, mutation: &Mutation) -> Value {
    let mut patched = pod.clone();
    json_patch::patch(&mut patched, &mutation.patch.operations().unwrap()).unwrap();
    patched
}

/// The pod after its patch, which must be a pod that Kubernetes takes, and for which nothing is left to do.
pub(crate) fn injected(pod: &Value, asked: &Asked) -> Value {
    injected_in(pod, asked, &world())
}

pub(crate) fn injected_in(pod: &Value, asked: &Asked, world: &World) -> Value {
    let mutation = mutate(&Json::of(pod), asked, world, &configuration()).unwrap();
    let patched = apply(pod, &mutation);
    assert_eq!(problems(&patched), Vec::<String>::new(), "{patched:#}");
    let again = mutate(&Json::of(&patched), asked, world, &configuration()).unwrap();
    assert!(again.patch.is_empty(), "a second time: {}", again.patch);
    patched
}

/// What is refused, as its author reads it.
pub(crate) fn refusal(pod: &Value, asked: &Asked) -> String {
    let error = try_mutate(pod, asked).expect_err("it was taken");
    format!("{}: {error}", error.reason())
}

/// Readable, with the keys of objects in order, whatever serde_json is built with.
pub(crate) fn show(value: &Value) -> String {
    fn sorted(value: &Value) -> Value {
        match value {
            Value::Object(map) => {
                let ordered: BTreeMap<_, _> = map
                    .iter()
                    .map(|(key, value)| (key.clone(), sorted(value)))
                    .collect();
                ordered.into_iter().collect()
            }
            Value::Array(list) => list.iter().map(sorted).collect(),
            other => other.clone(),
        }
    }
    serde_json::to_string_pretty(&sorted(value)).unwrap()
}

/// Without empty lists and maps, and without `null`: to Kubernetes they are the same as nothing.
pub(crate) fn pruned(value: &Value) -> Value {
    let empty = |value: &Value| match value {
        Value::Null => true,
        Value::Array(list) => list.is_empty(),
        Value::Object(map) => map.is_empty(),
        _ => false,
    };
    match value {
        Value::Object(map) => {
            let kept = map.iter().map(|(key, value)| (key.clone(), pruned(value)));
            kept.filter(|(_, value)| !empty(value)).collect()
        }
        Value::Array(list) => list.iter().map(pruned).collect(),
        other => other.clone(),
    }
}

/// The init container of a patched pod.
pub(crate) fn init_of(pod: &Value) -> &Value {
    let list = pod["spec"]["initContainers"]
        .as_array()
        .expect("no init containers");
    list.iter()
        .find(|container| container["name"] == "esi-init")
        .expect("no esi-init")
}

/// The names of the init containers of a patched pod.
pub(crate) fn init_names(pod: &Value) -> Vec<&str> {
    pod["spec"]["initContainers"]
        .as_array()
        .map(|list| {
            list.iter()
                .map(|container| container["name"].as_str().unwrap())
                .collect()
        })
        .unwrap_or_default()
}

/// A volume of a patched pod.
pub(crate) fn volume<'p>(pod: &'p Value, name: &str) -> Option<&'p Value> {
    pod["spec"]["volumes"]
        .as_array()?
        .iter()
        .find(|volume| volume["name"] == name)
}
