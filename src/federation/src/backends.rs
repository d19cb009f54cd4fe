//! The generators of the current catalog, for whoever issues, renews or revokes.

use std::sync::Arc;

use esi_core::SecretBytes;
use esi_core::names::{GeneratorRef, Namespace, ObjectName};
use esi_generators::{Generator, GeneratorError};
use esi_generators::{Generators, Secrets};
use esi_resources::catalog::{Catalog, Snapshot};

/// Finds generators.
#[derive(Debug)]
pub struct Backends {
    catalog: Catalog,
    generators: Generators,
}

impl Backends {
    /// The generators of `catalog`.
    #[must_use]
    pub fn new(catalog: Catalog, generators: Generators) -> Self {
        Self { catalog, generators }
    }

    /// The catalog as it is now.
    #[must_use]
    pub fn catalog(&self) -> Arc<Snapshot> {
        self.catalog.current()
    }

    /// A generator, ready to be called.
    ///
    /// # Errors
    /// If the catalog has none of that name, or its manifest or Secrets are not usable.
    pub fn find(
        &self,
        catalog: &Snapshot,
        reference: &GeneratorRef,
    ) -> Result<Arc<dyn Generator>, GeneratorError> {
        let Some(document) = catalog.generator(reference) else {
            return Err(GeneratorError::Unknown {
                reference: reference.clone(),
            });
        };
        let secrets = CatalogSecrets(catalog);
        self.generators.build(
            &document.spec,
            &document.annotations,
            &document.reference,
            &secrets,
        )
    }
}

struct CatalogSecrets<'a>(&'a Snapshot);

impl Secrets for CatalogSecrets<'_> {
    fn get(&self, namespace: &Namespace, name: &ObjectName, key: &str) -> Option<SecretBytes> {
        self.0.secret(namespace, name, key).map(SecretBytes::duplicate)
    }
}
