//! All resources at one moment.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use esi_core::SecretBytes;
use esi_core::names::{GeneratorRef, Namespace, ObjectName};

use super::problem::Problem;
use crate::authorization::Authorization;
use crate::federation::KubernetesFederation;
use crate::generator::{GeneratorSpec, kind};

/// One generator.
#[derive(Debug, Clone, PartialEq)]
pub struct GeneratorDocument {
    /// Which one; its kind under its one name ([`kind::normalise`]).
    pub reference: GeneratorRef,
    /// The object's annotations: our additions may be given here too, where a foreign schema prunes fields.
    pub annotations: BTreeMap<String, String>,
    /// What it says.
    pub spec: GeneratorSpec,
    /// Kept from before, because the newest text is broken.
    pub stale: bool,
}

/// What one `Secret` holds, by key.
pub(super) type SecretData = BTreeMap<String, SecretBytes>;
/// A `Secret`'s name.
pub(super) type SecretName = (Namespace, ObjectName);

/// Something and the file it came from: a torn file keeps what came from it.
#[derive(Debug)]
pub(super) struct Held<T> {
    pub(super) value: Arc<T>,
    pub(super) origin: Arc<Path>,
}

/// All resources at one moment. Never changes; the next moment has a snapshot of its own.
#[derive(Debug, Default)]
pub struct Snapshot {
    pub(super) generators: BTreeMap<GeneratorRef, Held<GeneratorDocument>>,
    pub(super) unsupported: BTreeSet<GeneratorRef>,
    pub(super) unsupported_cluster: BTreeSet<ObjectName>,
    pub(super) authorizations: Vec<Authorization>,
    pub(super) federations: Vec<KubernetesFederation>,
    pub(super) secrets: BTreeMap<SecretName, Held<SecretData>>,
    pub(super) problems: Vec<Problem>,
    pub(super) notices: Vec<Problem>,
    pub(super) dangling: Vec<Problem>,
    pub(super) revision: u64,
}

impl Snapshot {
    /// A generator, by either name of its kind.
    #[must_use]
    pub fn generator(&self, reference: &GeneratorRef) -> Option<&GeneratorDocument> {
        let held = self.generators.get(&kind::normalise(reference.clone()));
        held.map(|held| held.value.as_ref())
    }

    /// All generators, in the order of their references.
    pub fn generators(&self) -> impl Iterator<Item = &GeneratorDocument> {
        self.generators.values().map(|held| held.value.as_ref())
    }

    /// Whether the reference names an object that is there, of a kind that this version knows and does not serve.
    #[must_use]
    pub fn unsupported(&self, reference: &GeneratorRef) -> bool {
        self.unsupported.contains(reference)
            || (kind::is_cluster_scoped(&reference.kind)
                && self.unsupported_cluster.contains(&reference.name))
    }

    /// All authorizations that hold, by name.
    #[must_use]
    pub fn authorizations(&self) -> &[Authorization] {
        &self.authorizations
    }

    /// All federations that hold, by name.
    #[must_use]
    pub fn federations(&self) -> &[KubernetesFederation] {
        &self.federations
    }

    /// One key of one `Secret`.
    #[must_use]
    pub fn secret(&self, namespace: &Namespace, name: &ObjectName, key: &str) -> Option<&SecretBytes> {
        let held = self.secrets.get(&(namespace.clone(), name.clone()))?;
        held.value.get(key)
    }

    /// What is broken now, in the order of files and lines.
    #[must_use]
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// What is there, is right, and is not served by this version: it grants nothing.
    #[must_use]
    pub fn notices(&self) -> &[Problem] {
        &self.notices
    }

    /// What is right and refers to what is not there (yet): a generator to a `Secret` or key, an authorization to a
    /// federation or generator.
    #[must_use]
    pub fn dangling(&self) -> &[Problem] {
        &self.dangling
    }

    /// Counts the snapshots of one catalog, from 1.
    #[must_use]
    pub fn revision(&self) -> u64 {
        self.revision
    }
}

/// Makes a snapshot of values, for tests and for a server that brings resources of its own.
#[derive(Debug, Default)]
pub struct SnapshotBuilder(Snapshot);

impl SnapshotBuilder {
    /// An empty one.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a generator without annotations. One of the same reference is replaced.
    #[must_use]
    pub fn generator(self, reference: GeneratorRef, spec: GeneratorSpec) -> Self {
        self.document(GeneratorDocument {
            reference,
            annotations: BTreeMap::new(),
            spec,
            stale: false,
        })
    }

    /// Adds a generator in full. One of the same reference is replaced.
    #[must_use]
    pub fn document(mut self, mut document: GeneratorDocument) -> Self {
        document.reference = kind::normalise(document.reference);
        self.0
            .generators
            .insert(document.reference.clone(), held(document));
        self
    }

    /// Adds an authorization.
    #[must_use]
    pub fn authorization(mut self, mut authorization: Authorization) -> Self {
        let allowed = std::mem::take(&mut authorization.allowed_generators);
        authorization.allowed_generators = allowed.into_iter().map(kind::normalise).collect();
        self.0.authorizations.push(authorization);
        self
    }

    /// Adds a federation.
    #[must_use]
    pub fn federation(mut self, federation: KubernetesFederation) -> Self {
        self.0.federations.push(federation);
        self
    }

    /// Adds a `Secret`. One of the same name is replaced.
    #[must_use]
    pub fn secret(
        mut self,
        namespace: Namespace,
        name: ObjectName,
        data: BTreeMap<String, SecretBytes>,
    ) -> Self {
        self.0.secrets.insert((namespace, name), held(data));
        self
    }

    /// The snapshot, as revision 1.
    #[must_use]
    pub fn build(mut self) -> Snapshot {
        self.0.authorizations.sort_by(|a, b| a.name.cmp(&b.name));
        self.0.federations.sort_by(|a, b| a.name.cmp(&b.name));
        self.0.revision = 1;
        self.0
    }
}

fn held<T>(value: T) -> Held<T> {
    Held {
        value: Arc::new(value),
        origin: Path::new("").into(),
    }
}
