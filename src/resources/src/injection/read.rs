//! A manifest to an [`Injection`].

use std::collections::BTreeSet;

use esi_core::names::{BindingName, NameError, Namespace, ObjectName};
use esi_core::plan::{EnvMethod, PlanError};
use esi_core::{Classify, Code, Plan, Retry, chain};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Map, Value};
use thiserror::Error;

use super::spec::Spec;
use super::{API_VERSION, Delivery, Injection, MAX_CONTAINERS};
use crate::shown::shown;

/// Why a manifest is no injection.
#[derive(Debug, Error, Clone, PartialEq, Eq)]
#[error("{place}: {problem}")]
pub struct InjectionError {
    /// Where, as a path into the object, such as `spec.files[2].path`.
    pub place: String,
    /// What is wrong and what to write. One line; what it quotes of the manifest is cut and escaped.
    pub problem: String,
}

impl InjectionError {
    fn new(place: &str, problem: &str) -> Self {
        Self {
            place: shown(place),
            problem: shown(problem),
        }
    }
}

impl Classify for InjectionError {
    fn code(&self) -> Code {
        Code::InvalidArgument
    }

    fn retry(&self) -> Retry {
        Retry::Never
    }

    fn kind(&self) -> &'static str {
        "injection"
    }
}

impl Injection {
    /// Reads the `spec` of the object `name` of `namespace`.
    ///
    /// # Errors
    /// If it is not of the right shape (an unknown field is refused), if its plan part is no [`Plan`], or if its
    /// parts contradict each other. The place of the first problem is named.
    pub fn parse(namespace: Namespace, name: ObjectName, spec: &Value) -> Result<Self, InjectionError> {
        let binding = binding(&name)?;
        let shape: Spec = shape("spec", spec)?;
        let plan = plan(&namespace, &binding, &shape, spec)?;
        check(&shape)?;
        let Spec {
            delivery,
            mount_path,
            containers,
            ..
        } = shape;
        Ok(Self {
            namespace,
            name,
            plan,
            delivery,
            mount_path,
            containers,
        })
    }

    /// Reads a whole object. One without `metadata.namespace` is of `default_namespace`; its `status`, and what
    /// `metadata` has beside the two names, is ignored.
    ///
    /// # Errors
    /// As [`Injection::parse`], and if it is no `Injection` of [`API_VERSION`] or has no name.
    pub fn from_object(object: &Value, default_namespace: &Namespace) -> Result<Self, InjectionError> {
        let Object {
            api_version,
            kind,
            metadata: Metadata { name, namespace },
            ..
        } = shape("", object)?;
        if api_version != API_VERSION || kind != "Injection" {
            let problem = format!("it is `{api_version}`, `{kind}`: write `{API_VERSION}`, `Injection`");
            return Err(InjectionError::new("apiVersion, kind", &problem));
        }
        let namespace = namespace.unwrap_or_else(|| default_namespace.clone());
        Self::parse(namespace, name, object.get("spec").unwrap_or(&Value::Null))
    }
}

/// A whole object; anything but these is a mistake.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Object {
    api_version: String,
    kind: String,
    metadata: Metadata,
    #[serde(rename = "spec")]
    _spec: IgnoredAny,
    #[serde(default, rename = "status")]
    _status: IgnoredAny,
}

#[derive(Deserialize)]
struct Metadata {
    name: ObjectName,
    #[serde(default)]
    namespace: Option<Namespace>,
}

/// The object's name is its binding's: pods name both with it.
fn binding(name: &ObjectName) -> Result<BindingName, InjectionError> {
    name.as_str().parse().map_err(|error: NameError| {
        let problem = format!("{error}: it is also the binding's name, and `esi-<name>` is the volume's");
        InjectionError::new("metadata.name", &problem)
    })
}

fn shape<'de, T: Deserialize<'de>>(root: &str, value: &'de Value) -> Result<T, InjectionError> {
    serde_path_to_error::deserialize(value).map_err(|error| {
        let path = error.path().to_string();
        let place = match (root, path.as_str()) {
            (root, ".") => root.to_owned(),
            ("", path) => path.to_owned(),
            (root, path) => format!("{root}.{path}"),
        };
        InjectionError::new(&place, &error.inner().to_string())
    })
}

/// The plan part of a `spec` of the right shape, read as any other plan is.
fn plan(
    namespace: &Namespace,
    binding: &BindingName,
    shape: &Spec,
    spec: &Value,
) -> Result<Plan, InjectionError> {
    let mut plan: Map<String, Value> = spec.as_object().cloned().unwrap_or_default();
    for own in ["delivery", "mountPath", "containers"] {
        plan.remove(own);
    }
    plan.insert("version".to_owned(), 1.into());
    plan.insert("binding".to_owned(), binding.as_str().into());
    if let Some(generator) = &shape.source.generator
        && generator.namespace.is_none()
        && let Some(Value::Object(generator)) = plan
            .get_mut("source")
            .and_then(|source| source.get_mut("generator"))
    {
        generator.insert("namespace".to_owned(), namespace.as_str().into());
    }
    Plan::parse(&Value::Object(plan).to_string()).map_err(|error| match error {
        PlanError::Value { place, problem } => InjectionError::new(&format!("spec.{place}"), &problem),
        other => InjectionError::new("spec", &chain(&other)),
    })
}

/// What the parts of a `spec` must be to each other.
fn check(spec: &Spec) -> Result<(), InjectionError> {
    if spec.env.is_empty() && spec.files.is_empty() && !spec.all_keys {
        let problem =
            "nothing would be shown: write `env`, `files` or, with `envMethod: exec`, `allKeys: true`";
        return Err(InjectionError::new("spec", problem));
    }
    if spec.delivery == Some(Delivery::Node) && spec.env_method == EnvMethod::Exec {
        let problem = "the node daemon touches no command: write `envMethod: file` or `delivery: init`";
        return Err(InjectionError::new("spec.envMethod", problem));
    }
    if spec.containers.len() > MAX_CONTAINERS {
        let problem = format!(
            "there are {}; at most {MAX_CONTAINERS} are allowed",
            spec.containers.len()
        );
        return Err(InjectionError::new("spec.containers", &problem));
    }
    let mut seen = BTreeSet::new();
    for (index, name) in spec.containers.iter().enumerate() {
        if !seen.insert(name) {
            let problem = format!("`{name}` is there twice");
            return Err(InjectionError::new(
                &format!("spec.containers[{index}]"),
                &problem,
            ));
        }
    }
    Ok(())
}
