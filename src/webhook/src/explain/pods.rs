//! The pods that objects make.

use esi_core::names::Namespace;
use serde_json::{Map, Value, json};

use super::ExplainError;
use super::input::Document;
use crate::ask::{ORIGINAL, OWN};

/// A pod as it would be sent to the webhook.
#[derive(Debug)]
pub(super) struct Explained {
    /// What it was made of.
    pub(super) title: String,
    pub(super) namespace: Namespace,
    pub(super) pod: Value,
    /// Where its annotations belong, if what makes it has annotations that only a pod may ask by.
    pub(super) misplaced: Option<&'static str>,
}

/// Where the kinds that make pods keep their template.
fn template(kind: &str) -> Option<&'static str> {
    match kind {
        "Deployment" | "StatefulSet" | "DaemonSet" | "ReplicaSet" | "ReplicationController" | "Job" => {
            Some("/spec/template")
        }
        "CronJob" => Some("/spec/jobTemplate/spec/template"),
        "PodTemplate" => Some("/template"),
        _ => None,
    }
}

/// The pod of an object, if it is one or makes some.
pub(super) fn of(document: &Document, default: &Namespace) -> Result<Option<Explained>, ExplainError> {
    let kind = document.kind();
    let template = template(kind);
    let pod = match template {
        None if kind == "Pod" => document.object.clone(),
        None => return Ok(None),
        Some(pointer) => {
            let template = document.object.pointer(pointer).and_then(Value::as_object);
            let template =
                template.ok_or_else(|| document.bad(&format!("there is no pod template in {pointer}")))?;
            from_template(template, &document.title())
        }
    };
    Ok(Some(Explained {
        title: document.title(),
        namespace: document.namespace(default)?,
        pod,
        misplaced: template.filter(|_| asks(&document.object)),
    }))
}

/// Whether an object's own annotations ask; those of what makes pods are not its pods'.
fn asks(object: &Value) -> bool {
    let annotations = object.pointer("/metadata/annotations").and_then(Value::as_object);
    annotations.is_some_and(|annotations| {
        let mut names = annotations.keys();
        names.any(|name| [OWN, ORIGINAL].iter().any(|prefix| name.starts_with(prefix)))
    })
}

/// As a controller makes it: the template's metadata and spec, and a name that begins with the controller's.
fn from_template(template: &Map<String, Value>, title: &str) -> Value {
    let name = title.split_once('/').map_or(title, |(_, name)| name);
    let mut metadata = match template.get("metadata") {
        Some(Value::Object(metadata)) => metadata.clone(),
        _ => Map::new(),
    };
    metadata.insert("generateName".to_owned(), format!("{name}-").into());
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": metadata,
        "spec": template.get("spec"),
    })
}
