//! References from a generator to the Secret that holds its admin credential.

use esi_core::names::ObjectName;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::crd::words;

/// One key of one Secret in the generator's own namespace.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
// The original's schema requires neither.
#[schemars(transform = words::nothing_required)]
#[serde(deny_unknown_fields)]
pub struct SecretKeySelector {
    /// The Secret's name.
    #[schemars(with = "String")]
    pub name: ObjectName,
    /// Its key.
    pub key: String,
    /// Accepted for compatibility; it must be the generator's own namespace where given.
    #[serde(default)]
    pub namespace: Option<String>,
}

impl SecretKeySelector {
    /// It as what `field` needs.
    pub(super) fn at(&self, field: &'static str) -> (&'static str, &ObjectName, &str) {
        (field, &self.name, &self.key)
    }
}
