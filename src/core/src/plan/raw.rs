//! A plan's JSON as it is written, unjudged; and what is written for a [`Plan`].

use serde::{Deserialize, Serialize};

use super::model::{Content, EnvMethod, EnvOutput, EnvValue, FileOutput, Format, Plan, SecretRef, Source};
use crate::names::GeneratorRef;
use crate::span;

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct RawPlan {
    pub(super) version: u64,
    pub(super) binding: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) server: Option<String>,
    pub(super) source: RawSource,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) ttl: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) overlap: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) env_method: Option<EnvMethod>,
    #[serde(default, skip_serializing_if = "is_false")]
    pub(super) all_keys: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) env_mode: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) env: Vec<RawEnv>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) files: Vec<RawFile>,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawSource {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) generator: Option<GeneratorRef>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) secret: Option<SecretRef>,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawEnv {
    pub(super) name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) key: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) template: Option<String>,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawFile {
    pub(super) path: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) format: Option<Format>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) key: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) template: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) mode: Option<String>,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde calls it with a reference"
)]
fn is_false(flag: &bool) -> bool {
    !flag
}

impl From<&Plan> for RawPlan {
    fn from(plan: &Plan) -> Self {
        let Plan {
            binding,
            server,
            source,
            ttl,
            overlap,
            env_method,
            all_keys,
            env_mode,
            env,
            files,
        } = plan;
        let source = match source {
            Source::Generator(generator) => RawSource {
                generator: Some(generator.clone()),
                secret: None,
            },
            Source::Secret(secret) => RawSource {
                generator: None,
                secret: Some(secret.clone()),
            },
        };
        Self {
            version: 1,
            binding: binding.to_string(),
            server: Some(server.to_string()),
            source,
            ttl: ttl.map(span::format),
            overlap: overlap.map(span::format),
            env_method: (*env_method != EnvMethod::default()).then_some(*env_method),
            all_keys: *all_keys,
            env_mode: env_mode.map(|mode| mode.to_string()),
            env: env.iter().map(RawEnv::from).collect(),
            files: files.iter().map(RawFile::from).collect(),
        }
    }
}

impl From<&EnvOutput> for RawEnv {
    fn from(EnvOutput { name, value }: &EnvOutput) -> Self {
        let (key, template) = match value {
            EnvValue::Key(key) => (Some(key.clone()), None),
            EnvValue::Template(text) => (None, Some(text.clone())),
        };
        Self {
            name: name.to_string(),
            key,
            template,
        }
    }
}

impl From<&FileOutput> for RawFile {
    fn from(FileOutput { path, content, mode }: &FileOutput) -> Self {
        let (format, key, template) = match content {
            Content::Format(format) => (Some(*format), None, None),
            Content::Key(key) => (None, Some(key.clone()), None),
            Content::Template(text) => (None, None, Some(text.clone())),
        };
        Self {
            path: path.to_string(),
            format,
            key,
            template,
            mode: mode.map(|mode| mode.to_string()),
        }
    }
}
