//! What every object says about itself.

use std::str::FromStr;

use esi_core::names::{NameError, Namespace, ObjectName};
use serde::Deserialize;
use serde_saphyr::Spanned;

use crate::manifest::yaml::Fault;

/// The lenient first reading of an object: who it is.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Header {
    #[serde(default)]
    pub(super) api_version: Option<String>,
    #[serde(default)]
    pub(super) kind: Option<String>,
    #[serde(default)]
    metadata: Option<Metadata>,
}

#[derive(Deserialize)]
struct Metadata {
    #[serde(default)]
    name: Option<Spanned<String>>,
    #[serde(default)]
    namespace: Option<Spanned<String>>,
}

impl Header {
    pub(super) fn name(&self) -> Result<ObjectName, Fault> {
        let name = self.metadata.as_ref().and_then(|metadata| metadata.name.as_ref());
        parse("metadata.name", name)
    }

    pub(super) fn namespace(&self) -> Result<Namespace, Fault> {
        let namespace = self
            .metadata
            .as_ref()
            .and_then(|metadata| metadata.namespace.as_ref());
        parse("metadata.namespace", namespace)
    }

    /// The object for a message, as far as it is known.
    pub(super) fn shown(&self) -> Option<String> {
        let kind = self.kind.as_ref()?;
        let Some(metadata) = &self.metadata else {
            return Some(kind.clone());
        };
        Some(match (&metadata.namespace, &metadata.name) {
            (Some(namespace), Some(name)) => format!("{kind} {}/{}", namespace.value, name.value),
            (None, Some(name)) => format!("{kind} {}", name.value),
            _ => kind.clone(),
        })
    }
}

fn parse<T: FromStr<Err = NameError>>(field: &str, text: Option<&Spanned<String>>) -> Result<T, Fault> {
    let Some(text) = text else {
        return Err(Fault::new(None, &format!("write {field}")));
    };
    text.value
        .parse()
        .map_err(|error: NameError| Fault::new(Some(text.referenced.line()), &format!("{field}: {error}")))
}
