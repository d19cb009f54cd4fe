//! What a kind of generator is built from.

use std::collections::BTreeMap;
use std::sync::Arc;

use esi_core::names::{GeneratorRef, ObjectName};
use esi_core::{Checkpoint, SecretBytes};
use esi_resources::generator::SecretKeySelector;
use thiserror::Error;

use super::Secrets;
use crate::error::GeneratorError;

/// The prefix of our annotations.
const PREFIX: &str = "esi.external-secrets.io/";

/// One manifest and what it may refer to.
pub(crate) struct BuildContext<'a> {
    /// Which manifest.
    pub(crate) reference: &'a GeneratorRef,
    /// Its annotations.
    pub(crate) annotations: &'a BTreeMap<String, String>,
    /// The Secrets of all namespaces; read through [`BuildContext::secret`] only.
    pub(super) secrets: &'a dyn Secrets,
    /// Is told of the steps.
    pub(crate) checkpoint: &'a Arc<dyn Checkpoint>,
}

#[derive(Debug, Error)]
#[error(
    "namespace `{named}` is named, but a generator reads Secrets of its own namespace `{own}` only: remove `namespace`, and put the Secret there"
)]
struct OtherNamespace {
    named: String,
    own: String,
}

#[derive(Debug, Error)]
#[error("Secret {namespace}/{name} has no key `{key}`, or does not exist")]
struct Missing {
    namespace: String,
    name: String,
    key: String,
}

impl BuildContext<'_> {
    /// What a reference of the manifest points to; `field` is where the reference is.
    pub(crate) fn secret(
        &self,
        field: &'static str,
        selector: &SecretKeySelector,
    ) -> Result<SecretBytes, GeneratorError> {
        self.secret_at(
            field,
            selector.namespace.as_deref(),
            &selector.name,
            &selector.key,
        )
    }

    /// The same for references of another shape.
    pub(crate) fn secret_at(
        &self,
        field: &'static str,
        namespace: Option<&str>,
        name: &ObjectName,
        key: &str,
    ) -> Result<SecretBytes, GeneratorError> {
        let own = &self.reference.namespace;
        if let Some(named) = namespace.filter(|named| *named != own.as_str()) {
            return Err(GeneratorError::Misconfigured {
                field,
                problem: Box::new(OtherNamespace {
                    named: named.to_owned(),
                    own: own.to_string(),
                }),
            });
        }
        self.secrets
            .get(own, name, key)
            .ok_or_else(|| GeneratorError::SecretMissing {
                field,
                missing: Box::new(Missing {
                    namespace: own.to_string(),
                    name: name.to_string(),
                    key: key.to_owned(),
                }),
            })
    }

    /// The value of our annotation `name` (without the prefix). Annotations stand in for the fields that we added
    /// to a shared kind: where another controller owns its schema, unknown fields are pruned.
    pub(crate) fn annotation(&self, name: &str) -> Option<&str> {
        self.annotations
            .get(&format!("{PREFIX}{name}"))
            .map(String::as_str)
    }
}
