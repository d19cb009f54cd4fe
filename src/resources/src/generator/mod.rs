//! Generators: `generators.external-secrets.io/v1alpha1`, with the fields that the original gave them
//! (External Secrets Operator and its enterprise fork). Fields that only its controllers used
//! (`controller`, `retrySettings`, `cleanupPolicy`) are read and have no effect.

pub mod kind;
mod local;
mod postgresql;
mod reference;
mod vault;

use esi_core::names::{Namespace, ObjectName};

pub use local::{FakeSpec, PasswordEncoding, PasswordSpec, UuidSpec};
pub use postgresql::{PgAttribute, PgAuth, PgUser, PostgreSqlSpec, SslMode};
pub use reference::SecretKeySelector;
pub use vault::{
    CA_KEY, CaProvider, ServiceAccountSelector, VaultAppRole, VaultAuth, VaultDynamicSecretSpec, VaultJwt,
    VaultJwtServiceAccountToken, VaultKubernetes, VaultProvider, VaultResultType,
};

/// The API group and version of every generator.
pub const API_VERSION: &str = "generators.external-secrets.io/v1alpha1";

/// What a generator's `spec` says, by kind.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum GeneratorSpec {
    /// A random password; no backend.
    Password(PasswordSpec),
    /// A random UUID; no backend.
    Uuid(UuidSpec),
    /// Fixed values, for tests and trials.
    Fake(FakeSpec),
    /// A user of a PostgreSQL server.
    PostgreSql(Box<PostgreSqlSpec>),
    /// A dynamic secret of HashiCorp Vault or OpenBao.
    VaultDynamicSecret(Box<VaultDynamicSecretSpec>),
}

impl GeneratorSpec {
    /// Every key of a Secret that it needs: the field, the Secret's name, the key.
    pub(crate) fn secrets(&self) -> Vec<(&'static str, &ObjectName, &str)> {
        match self {
            Self::Password(_) | Self::Uuid(_) | Self::Fake(_) => Vec::new(),
            Self::PostgreSql(spec) => vec![spec.auth.password.at("auth.password")],
            Self::VaultDynamicSecret(spec) => spec.provider.secrets(),
        }
    }

    /// The CA certificates that are written in it, as they are written.
    pub(crate) fn ca_bundle(&self) -> Option<&str> {
        match self {
            Self::Password(_) | Self::Uuid(_) | Self::Fake(_) => None,
            Self::PostgreSql(spec) => spec.ca_bundle.as_deref(),
            Self::VaultDynamicSecret(spec) => spec.provider.ca_bundle.as_deref(),
        }
    }

    /// A namespace other than `own` that a reference of it names: Secrets are read from the generator's own only.
    pub(crate) fn foreign_namespace(&self, own: &Namespace) -> Option<&str> {
        let named: Vec<Option<&String>> = match self {
            Self::Password(_) | Self::Uuid(_) | Self::Fake(_) => Vec::new(),
            Self::PostgreSql(spec) => vec![spec.auth.password.namespace.as_ref()],
            Self::VaultDynamicSecret(spec) => spec.provider.named_namespaces(),
        };
        let mut named = named.into_iter().flatten().map(String::as_str);
        named.find(|namespace| *namespace != own.as_str())
    }
}
