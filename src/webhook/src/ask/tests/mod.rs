//! Specifications: a pod of namespace `shop`, in a cluster with the servers `default` and `eu`.

mod arbitrary;
mod inject;
mod inline;
mod original;
mod together;

use std::sync::Arc;
use std::time::Duration;

use esi_core::Plan;
use esi_core::names::Namespace;
use esi_resources::injection::{Delivery, Injection};
use serde_json::Value;

use super::{AskError, Asked, Binding, ask};
use crate::config::{Configuration, InitContainer, Server, VolumeKind};
use crate::json::Json;
use crate::world::World;

const URL: &str = "https://esi-federation.esi.svc:8443";

fn namespace() -> Namespace {
    "shop".parse().unwrap()
}

fn server(url: &str) -> Server {
    Server {
        url: url.into(),
        ca: String::new(),
        audience: url.into(),
    }
}

fn config() -> Configuration {
    Configuration {
        servers: [("default", URL), ("eu", "https://eu.example.com")]
            .map(|(name, url)| (name.parse().unwrap(), server(url)))
            .into(),
        delivery: Delivery::Init,
        volume: VolumeKind::Csi,
        init: InitContainer {
            image: "esi-cli".into(),
            image_pull_policy: None,
            run_as_user: 65532,
            cpu: "10m".into(),
            memory: "16Mi".into(),
            deadline: Duration::from_secs(60),
            token_lifetime: Duration::from_secs(600),
        },
    }
}

/// An Injection of namespace `shop` whose plan says `more` beside its source.
fn injection(name: &str, more: &str) -> Injection {
    let plan = format!(
        r#"{{"version":1,"binding":"{name}","source":{{"generator":{{"kind":"PostgreSQL","namespace":"platform","name":"{name}"}}}}{more}}}"#
    );
    Injection {
        namespace: namespace(),
        name: name.parse().unwrap(),
        plan: Plan::parse(&plan).unwrap(),
        delivery: None,
        mount_path: None,
        containers: Vec::new(),
    }
}

/// The same for some containers only.
fn for_containers(containers: &[&str], injection: Injection) -> Injection {
    let containers = containers.iter().map(|name| name.parse().unwrap()).collect();
    Injection {
        containers,
        ..injection
    }
}

fn world(injections: impl IntoIterator<Item = Injection>) -> World {
    World {
        injections: injections
            .into_iter()
            .map(|one| ((one.namespace.clone(), one.name.clone()), Ok(Arc::new(one))))
            .collect(),
        ..World::default()
    }
}

/// `esi/` and `old/` stand for the two prefixes.
fn annotations(pairs: &[(&str, &str)]) -> Value {
    pairs
        .iter()
        .map(|(name, value)| {
            let name = match name.split_once('/') {
                Some(("esi", key)) => format!("esi.external-secrets.io/{key}"),
                Some(("old", key)) => format!("secretless.externalsecrets.com/{key}"),
                _ => (*name).to_owned(),
            };
            (name, Value::from(*value))
        })
        .collect()
}

/// What annotations ask for, whatever JSON they are.
fn ask_of(annotations: &Value, world: &World, config: &Configuration) -> Result<Option<Asked>, AskError> {
    let annotations = Json::of(annotations);
    ask(
        &namespace(),
        annotations.root().as_object().unwrap(),
        world,
        config,
    )
}

fn ask_in(world: &World, pairs: &[(&str, &str)]) -> Result<Option<Asked>, AskError> {
    ask_of(&annotations(pairs), world, &config())
}

/// What is asked for, in a cluster without Injections.
fn asked(pairs: &[(&str, &str)]) -> Asked {
    ask_in(&World::default(), pairs).unwrap().unwrap()
}

fn binding(pairs: &[(&str, &str)]) -> Binding {
    let Asked { mut bindings, .. } = asked(pairs);
    assert_eq!(bindings.len(), 1, "{bindings:?}");
    bindings.remove(0)
}

fn asks_nothing(pairs: &[(&str, &str)]) -> bool {
    ask_in(&World::default(), pairs).unwrap().is_none()
}

fn error_in(world: &World, pairs: &[(&str, &str)]) -> AskError {
    match ask_in(world, pairs) {
        Err(error) => error,
        Ok(asked) => panic!("{pairs:?} were taken as {asked:?}"),
    }
}

/// The refusal's text, after its reason.
#[track_caller]
fn refused(reason: &str, pairs: &[(&str, &str)]) -> String {
    let error = error_in(&World::default(), pairs);
    assert_eq!(error.reason(), reason, "{error}");
    error.to_string()
}

/// The plan's outputs, readable: `NAME=key` and `path=content`.
fn outputs(plan: &Plan) -> Vec<String> {
    use esi_core::plan::{Content, EnvValue};
    let env = plan.env.iter().map(|one| match &one.value {
        EnvValue::Key(key) => format!("{}={key}", one.name),
        EnvValue::Template(text) => format!("{}={text:?}", one.name),
    });
    let files = plan.files.iter().map(|one| match &one.content {
        Content::Format(format) => format!("{}={format}", one.path),
        Content::Key(key) => format!("{}=.{key}", one.path),
        Content::Template(text) => format!("{}={text:?}", one.path),
    });
    let all = plan.all_keys.then(|| "*".to_owned());
    all.into_iter().chain(env).chain(files).collect()
}
