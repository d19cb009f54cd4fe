//! The custom resource definitions of every kind, generated from the types that read them.
//!
//! ```text
//!  Rust types ──JsonSchema──▶ structural schema ──┐
//!  names, scope, columns of each kind ────────────┴──▶ CustomResourceDefinition ──`make crds`──▶ deploy/crds/
//! ```
//!
//! `Injection` is ours, and its schema checks all that a schema can. The other kinds are shared with External
//! Secrets Operator and its enterprise fork, which may run in the same cluster: their schema accepts whatever the
//! original product accepted, also fields that this version does not read where the original has more of them.
//! A server reads them strictly all the same.

mod definition;
mod kinds;
mod structural;
pub(crate) mod words;

use serde_json::Value;

/// One definition.
#[derive(Debug, Clone, PartialEq)]
pub struct Crd {
    /// Its name, `<plural>.<group>`: also that of its file.
    pub name: String,
    /// The `CustomResourceDefinition`.
    pub definition: Value,
}

/// The definitions of all kinds, ours first.
#[must_use]
pub fn all() -> Vec<Crd> {
    kinds::all().iter().map(definition::Definition::crd).collect()
}
