//! The `spec` of an injection as it is written: its shape, and the names in it. What its plan part means is
//! [`Plan::parse`](esi_core::Plan::parse)'s to say.

use esi_core::names::{Kind, Namespace, ObjectName};
use esi_core::plan::{EnvMethod, Format, SecretRef};
use serde::{Deserialize, Deserializer};

use super::model::{ContainerName, Delivery, MountPath};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Spec {
    pub(super) source: Source,
    #[serde(default, deserialize_with = "present", rename = "server")]
    _server: Option<String>,
    #[serde(default, deserialize_with = "present", rename = "ttl")]
    _ttl: Option<String>,
    #[serde(default, deserialize_with = "present", rename = "overlap")]
    _overlap: Option<String>,
    #[serde(default, deserialize_with = "present")]
    pub(super) delivery: Option<Delivery>,
    #[serde(default)]
    pub(super) env_method: EnvMethod,
    #[serde(default)]
    pub(super) all_keys: bool,
    #[serde(default)]
    pub(super) env: Vec<Env>,
    #[serde(default)]
    pub(super) files: Vec<File>,
    #[serde(default, deserialize_with = "present")]
    pub(super) mount_path: Option<MountPath>,
    #[serde(default)]
    pub(super) containers: Vec<ContainerName>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Source {
    #[serde(default, deserialize_with = "present")]
    pub(super) generator: Option<Generator>,
    #[serde(default, deserialize_with = "present", rename = "secret")]
    _secret: Option<SecretRef>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Generator {
    #[serde(rename = "kind")]
    _kind: Kind,
    #[serde(default, deserialize_with = "present")]
    pub(super) namespace: Option<Namespace>,
    #[serde(rename = "name")]
    _name: ObjectName,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Env {
    #[serde(rename = "name")]
    _name: String,
    #[serde(default, deserialize_with = "present", rename = "key")]
    _key: Option<String>,
    #[serde(default, deserialize_with = "present", rename = "template")]
    _template: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    #[serde(rename = "path")]
    _path: String,
    #[serde(default, deserialize_with = "present", rename = "format")]
    _format: Option<Format>,
    #[serde(default, deserialize_with = "present", rename = "key")]
    _key: Option<String>,
    #[serde(default, deserialize_with = "present", rename = "template")]
    _template: Option<String>,
    #[serde(default, deserialize_with = "present", rename = "mode")]
    _mode: Option<String>,
}

/// A field that is written has a value: `null` is none, as for the API server.
fn present<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}
