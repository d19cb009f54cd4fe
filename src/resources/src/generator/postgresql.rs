//! `PostgreSQL`: one database user per lease.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use super::reference::SecretKeySelector;
use crate::crd::words;

/// How to make users at one PostgreSQL server.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct PostgreSqlSpec {
    /// The database to connect to (`postgres`).
    #[serde(default = "default_database")]
    pub database: String,
    /// The server's host name or address.
    pub host: String,
    /// Its port, as text or number (5432).
    #[serde(default = "default_port", deserialize_with = "port")]
    #[schemars(schema_with = "words::int_or_string")]
    pub port: u16,
    /// The admin user.
    pub auth: PgAuth,
    /// What the minted user is and may do.
    #[serde(default)]
    pub user: PgUser,
    /// How the connection is protected. An addition to the original, which never used TLS.
    #[serde(default)]
    pub ssl_mode: SslMode,
    /// CA certificates in PEM for `verify-ca` and `verify-full`; the system's where absent. An addition.
    #[serde(default)]
    pub ca_bundle: Option<String>,
    /// Other databases of the server in which the user may own or be granted something: revocation cleans each.
    /// An addition; `database` is always among them.
    #[serde(default)]
    pub databases: Vec<String>,
    /// Read and without effect: a lease ends with its workload.
    #[serde(default)]
    #[schemars(schema_with = "words::any_object")]
    pub cleanup_policy: Option<Value>,
}

/// The admin user that makes the others.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PgAuth {
    /// Its name.
    pub username: String,
    /// Its password.
    pub password: SecretKeySelector,
}

/// The minted user.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema, Default)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct PgUser {
    /// A readable part of the user's name; the rest is derived from the lease.
    #[serde(default)]
    pub username: Option<String>,
    /// Read and without effect: the name is unique by the lease's id.
    #[serde(default)]
    pub suffix_size: Option<u32>,
    /// Attributes such as `CONNECTION_LIMIT`.
    #[serde(default)]
    pub attributes: Vec<PgAttribute>,
    /// Roles granted; each must exist.
    #[serde(default)]
    pub roles: Vec<String>,
    /// Drop what the user owns instead of reassigning it.
    #[serde(default)]
    pub destructive_cleanup: bool,
    /// Who gets what the user owns; the database's owner where absent.
    #[serde(default)]
    pub reassign_to: Option<String>,
}

/// One role attribute.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PgAttribute {
    /// `SUPERUSER`, `CREATEDB`, `CREATEROLE`, `REPLICATION`, `NOINHERIT`, `BYPASSRLS` or `CONNECTION_LIMIT`.
    pub name: String,
    /// The number for `CONNECTION_LIMIT`.
    #[serde(default)]
    pub value: Option<String>,
}

/// How the connection is protected, with libpq's names and meanings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema, Default)]
#[serde(rename_all = "kebab-case")]
pub enum SslMode {
    /// No TLS.
    Disable,
    /// TLS where the server offers it, unverified (what an existing manifest can rely on).
    #[default]
    Prefer,
    /// TLS, unverified.
    Require,
    /// TLS with a certificate of a known CA.
    VerifyCa,
    /// TLS with a certificate of a known CA for this host.
    VerifyFull,
}

fn default_database() -> String {
    "postgres".to_owned()
}

fn default_port() -> u16 {
    5432
}

fn port<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<u16, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Port {
        Number(u16),
        Text(String),
    }
    match Port::deserialize(deserializer)? {
        Port::Number(number) => Ok(number),
        Port::Text(text) => text
            .parse()
            .map_err(|_source| serde::de::Error::custom("port: write 1 to 65535")),
    }
}
