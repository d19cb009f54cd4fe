//! From a manifest to a generator that works.
//!
//! ```text
//!  spec + annotations ─┐
//!  Secret references ──┼─▶ Generators::build ──▶ Arc<dyn Generator>
//!  connections kept ───┘
//! ```
//!
//! Invariants: building asks no backend; a Secret is read from the generator's own namespace only; what is kept
//! between two builds (connections) is bounded and never outlives a change of the credential it was made with.

mod context;

use std::collections::BTreeMap;
use std::sync::Arc;

use esi_core::names::{GeneratorRef, Namespace, ObjectName};
use esi_core::{Checkpoint, SecretBytes};
use esi_resources::generator::GeneratorSpec;
use thiserror::Error;

use crate::error::GeneratorError;
use crate::local::Local;
use crate::port::Generator;
use crate::postgresql::{self, PostgreSql};
use crate::vault::{self, VaultDynamicSecret};

pub(crate) use context::BuildContext;

/// Where the Secrets are that manifests refer to.
pub trait Secrets: Send + Sync {
    /// The value of one key, if there is one.
    fn get(&self, namespace: &Namespace, name: &ObjectName, key: &str) -> Option<SecretBytes>;
}

/// Builds generators, and keeps what is worth keeping between two uses of one. Cheap to clone; clones share.
#[derive(Debug, Clone)]
pub struct Generators {
    checkpoint: Arc<dyn Checkpoint>,
    /// Shared by all generators of a Vault.
    vault: Arc<vault::Clients>,
    postgresql: Arc<postgresql::Pools>,
}

#[derive(Debug, Error)]
#[error("this version of the server cannot make a {kind}: upgrade it, or remove the generator")]
struct UnknownKind {
    kind: String,
}

impl Generators {
    /// With nothing kept yet. `checkpoint` is told of the steps that a crash may fall between.
    #[must_use]
    pub fn new(checkpoint: Arc<dyn Checkpoint>) -> Self {
        Self {
            checkpoint,
            vault: Arc::default(),
            postgresql: Arc::default(),
        }
    }

    /// The generator that the manifest `reference` describes.
    ///
    /// # Errors
    /// [`GeneratorError::Misconfigured`] names the field, [`GeneratorError::SecretMissing`] the reference.
    pub fn build(
        &self,
        spec: &GeneratorSpec,
        annotations: &BTreeMap<String, String>,
        reference: &GeneratorRef,
        secrets: &dyn Secrets,
    ) -> Result<Arc<dyn Generator>, GeneratorError> {
        let cx = BuildContext {
            reference,
            annotations,
            secrets,
            checkpoint: &self.checkpoint,
        };
        Ok(match spec {
            GeneratorSpec::Password(spec) => Arc::new(Local::password(spec)?),
            GeneratorSpec::Uuid(_) => Arc::new(Local::uuid()),
            GeneratorSpec::Fake(spec) => Arc::new(Local::fake(spec)),
            GeneratorSpec::VaultDynamicSecret(spec) => {
                Arc::new(VaultDynamicSecret::new(spec, &cx, &self.vault)?)
            }
            GeneratorSpec::PostgreSql(spec) => Arc::new(PostgreSql::build(spec, &cx, &self.postgresql)?),
            _ => {
                return Err(GeneratorError::Misconfigured {
                    field: "kind",
                    problem: Box::new(UnknownKind {
                        kind: cx.reference.kind.to_string(),
                    }),
                });
            }
        })
    }
}

#[cfg(test)]
mod tests;
