//! What a definition says beside its schema.

use serde_json::{Map, Value, json};

use super::{Crd, structural};
use crate::injection::InjectionStatus;

/// One kind.
pub(super) struct Definition {
    pub(super) group: &'static str,
    pub(super) kind: &'static str,
    pub(super) plural: &'static str,
    pub(super) short_names: &'static [&'static str],
    pub(super) scope: Scope,
    pub(super) owner: Owner,
    /// What `kubectl explain` says first.
    pub(super) description: &'static str,
    /// Name and path of what `kubectl get` shows beside the name and the age.
    pub(super) columns: &'static [(&'static str, &'static str)],
    pub(super) spec: Map<String, Value>,
}

/// Where its objects are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scope {
    Namespaced,
    Cluster,
}

/// Whose kind it is.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Owner {
    /// Ours: a `spec` is required, and the rules hold for the whole object.
    Ours { rules: Value },
    /// Also that of others, who may have objects of it and write a status of their own: installed where it is
    /// absent, never removed.
    Shared,
}

/// All kinds have one version.
const VERSION: &str = "v1alpha1";

impl Definition {
    pub(super) fn crd(&self) -> Crd {
        let name = format!("{}.{}", self.plural, self.group);
        let scope = match self.scope {
            Scope::Namespaced => "Namespaced",
            Scope::Cluster => "Cluster",
        };
        let (annotations, categories) = match self.owner {
            Owner::Ours { .. } => (json!({}), json!(["esi"])),
            Owner::Shared => (
                json!({"helm.sh/resource-policy": "keep"}),
                json!(["esi", "external-secrets"]),
            ),
        };
        let definition = json!({
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            "metadata": {
                "name": name,
                "annotations": annotations,
                "labels": {"app.kubernetes.io/part-of": "esi"},
            },
            "spec": {
                "group": self.group,
                "scope": scope,
                "names": {
                    "kind": self.kind,
                    "listKind": format!("{}List", self.kind),
                    "plural": self.plural,
                    "singular": self.kind.to_ascii_lowercase(),
                    "shortNames": self.short_names,
                    "categories": categories,
                },
                "versions": [{
                    "name": VERSION,
                    "served": true,
                    "storage": true,
                    "subresources": {"status": {}},
                    "additionalPrinterColumns": self.columns(),
                    "schema": {"openAPIV3Schema": self.schema()},
                }],
            },
        });
        Crd { name, definition }
    }

    fn columns(&self) -> Value {
        let ready = r#".status.conditions[?(@.type=="Ready")].status"#;
        let text = self.columns.iter().copied().chain([("Ready", ready)]);
        let text = text.map(|(name, path)| json!({"name": name, "type": "string", "jsonPath": path}));
        let age = json!({"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"});
        text.chain([age]).collect()
    }

    fn schema(&self) -> Value {
        let mut status = structural::of::<InjectionStatus>();
        let own = match &self.owner {
            Owner::Ours { rules } => vec![
                ("required", json!(["spec"])),
                ("x-kubernetes-validations", rules.clone()),
            ],
            Owner::Shared => {
                status.insert("x-kubernetes-preserve-unknown-fields".to_owned(), true.into());
                Vec::new()
            }
        };
        let properties = json!({
            "apiVersion": {"type": "string", "description": "The group and version of the kind."},
            "kind": {"type": "string", "description": "The kind."},
            "metadata": {"type": "object"},
            "spec": self.spec,
            "status": status,
        });
        let all = [
            ("type", json!("object")),
            ("description", json!(self.description)),
            ("properties", properties),
        ];
        let fields = all.into_iter().chain(own);
        Value::Object(fields.map(|(name, value)| (name.to_owned(), value)).collect())
    }
}
