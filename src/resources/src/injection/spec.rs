//! The `spec` of an injection as it is written: its shape, and the names in it. What its plan part means is
//! [`Plan::parse`](esi_core::Plan::parse)'s to say. The comments on its fields are what `kubectl explain` shows.

use esi_core::names::{ContainerName, Kind, Namespace, ObjectName};
use esi_core::plan::{EnvMethod, Format, SecretRef};
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer};

use super::model::{Delivery, MountPath};
use super::schema;
use crate::crd::words;

/// A credential, how it is shown, and which containers of the pods that name it see it.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = schema::rules::spec()))]
pub(crate) struct Spec {
    /// Where the values come from: exactly one of `generator` and `secret`.
    pub(super) source: Source,
    /// The federation server that is asked, by the name that the cluster's operator gave it; `default` where absent.
    #[serde(default, deserialize_with = "present", rename = "server")]
    #[schemars(schema_with = "words::label")]
    _server: Option<String>,
    /// How long a credential is to live, such as `1h30m`: 1s to 2160h. The server's default where absent, and the
    /// server may grant less.
    #[serde(default, deserialize_with = "present", rename = "ttl")]
    #[schemars(schema_with = "schema::ttl")]
    _ttl: Option<String>,
    /// How long a credential in use stays alive beside the one that follows it, such as `5m`: 0s to 24h.
    #[serde(default, deserialize_with = "present", rename = "overlap")]
    #[schemars(schema_with = "schema::overlap")]
    _overlap: Option<String>,
    /// Who fills the volume: an injected init container (`init`), or the node daemon before any container starts
    /// (`node`). The cluster's default where absent.
    #[serde(default, deserialize_with = "present")]
    #[schemars(schema_with = "schema::delivery")]
    pub(super) delivery: Option<Delivery>,
    /// How variables reach the process: Kubernetes reads them from a file (`file`, the default), or `esi-cli`
    /// starts the container's own command with them (`exec`: for clusters before 1.35, and for values of several
    /// lines). With `exec` each container that gets it states its `command`.
    #[serde(default)]
    #[schemars(schema_with = "schema::env_method")]
    pub(super) env_method: EnvMethod,
    /// Makes every key of the credential a variable of its name, beside those of `env`, which win. Only with
    /// `envMethod: exec`.
    #[serde(default)]
    pub(super) all_keys: bool,
    /// Environment variables.
    #[serde(default)]
    #[schemars(schema_with = "schema::env")]
    pub(super) env: Vec<Env>,
    /// Files, below the mount path.
    #[serde(default)]
    #[schemars(schema_with = "schema::files")]
    pub(super) files: Vec<File>,
    /// Where containers find the files; `/var/run/secrets/esi/<name>` where absent.
    #[serde(default, deserialize_with = "present")]
    #[schemars(schema_with = "schema::mount_path")]
    pub(super) mount_path: Option<MountPath>,
    /// The containers that get it: all application containers where empty; init and sidecar containers only by
    /// name.
    #[serde(default)]
    #[schemars(schema_with = "schema::containers")]
    pub(super) containers: Vec<ContainerName>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(
    deny_unknown_fields,
    expecting = "`generator: { kind: …, namespace: …, name: … }`"
)]
#[schemars(extend("x-kubernetes-validations" = schema::rules::source()))]
pub(super) struct Source {
    /// Minted by a generator, for each pod its own.
    #[serde(default, deserialize_with = "present")]
    pub(super) generator: Option<Generator>,
    /// One key of a secret store of the server.
    #[serde(default, deserialize_with = "present", rename = "secret")]
    #[schemars(with = "Option<Secret>")]
    _secret: Option<SecretRef>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, expecting = "`{ kind: …, namespace: …, name: … }`")]
pub(super) struct Generator {
    /// Its kind, such as `PostgreSQL`.
    #[serde(rename = "kind")]
    #[schemars(schema_with = "words::kind")]
    _kind: Kind,
    /// Its namespace; the injection's own where absent.
    #[serde(default, deserialize_with = "present")]
    #[schemars(schema_with = "words::label")]
    pub(super) namespace: Option<Namespace>,
    /// Its name.
    #[serde(rename = "name")]
    #[schemars(schema_with = "words::object_name")]
    _name: ObjectName,
}

/// The schema of [`SecretRef`].
#[derive(JsonSchema)]
#[serde(rename_all = "camelCase")]
#[expect(dead_code, reason = "only its schema is used")]
struct Secret {
    /// `ClusterSecretStore` or `SecretStore`.
    #[schemars(schema_with = "words::kind")]
    store_kind: Kind,
    /// The store's name.
    #[schemars(schema_with = "words::object_name")]
    store: ObjectName,
    /// The key in it.
    #[schemars(schema_with = "words::key")]
    key: String,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-kubernetes-validations" = schema::rules::env()))]
pub(super) struct Env {
    /// The variable's name.
    #[serde(rename = "name")]
    #[schemars(schema_with = "schema::env_name")]
    _name: String,
    /// The key of the credential whose value it has.
    #[serde(default, deserialize_with = "present", rename = "key")]
    #[schemars(schema_with = "words::key")]
    _key: Option<String>,
    /// A template over the credential's keys, such as `postgres://{{ username | urlencode }}@db/shop`.
    #[serde(default, deserialize_with = "present", rename = "template")]
    #[schemars(schema_with = "schema::template")]
    _template: Option<String>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-kubernetes-validations" = schema::rules::file()))]
pub(super) struct File {
    /// Where it is, below the mount path.
    #[serde(rename = "path")]
    #[schemars(schema_with = "schema::path")]
    _path: String,
    /// Holds the whole credential: `env` (`KEY='value'`), `dotenv` or `json`.
    #[serde(default, deserialize_with = "present", rename = "format")]
    #[schemars(schema_with = "schema::format")]
    _format: Option<Format>,
    /// Holds the value of this key.
    #[serde(default, deserialize_with = "present", rename = "key")]
    #[schemars(schema_with = "words::key")]
    _key: Option<String>,
    /// Holds what this template over the credential's keys gives.
    #[serde(default, deserialize_with = "present", rename = "template")]
    #[schemars(schema_with = "schema::template")]
    _template: Option<String>,
    /// Its permissions as octal text, such as "0400"; "0440", or what its readers need, where absent.
    #[serde(default, deserialize_with = "present", rename = "mode")]
    #[schemars(schema_with = "schema::mode")]
    _mode: Option<String>,
}

/// A field that is written has a value: `null` is none, as for the API server.
fn present<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}
