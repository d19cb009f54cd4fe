//! JSON text to [`Plan`] and back.

use std::ops::RangeInclusive;
use std::str::FromStr;
use std::time::Duration;

use serde::Deserialize;
use thiserror::Error;

use super::limits;
use super::model::{Content, EnvMethod, EnvName, EnvOutput, EnvValue, FileOutput, Plan, Source};
use super::path::RelativePath;
use super::raw::{RawEnv, RawFile, RawPlan, RawSource};
use crate::credential::MAX_KEY_BYTES;
use crate::names::NameError;
use crate::span;

/// Why a text is no plan. The message names the place as a path into the JSON.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum PlanError {
    /// Longer than [`limits::MAX_BYTES`].
    #[error("the plan has {bytes} bytes; at most {max} are read", max = limits::MAX_BYTES)]
    TooLarge {
        /// Its length.
        bytes: usize,
    },
    /// Not JSON, or not of the plan's shape.
    #[error("the plan is not valid")]
    Shape(#[source] serde_json::Error),
    /// A version that this program does not read.
    #[error("version {version} of the plan is newer than this program, which reads version 1: upgrade it")]
    Version {
        /// The version it says.
        version: u64,
    },
    /// One value is not what it should be.
    #[error("{place}: {problem}")]
    Value {
        /// Where, such as `files[2].path`.
        place: String,
        /// What is wrong and what to write.
        problem: String,
    },
}

impl Plan {
    /// Reads a plan.
    ///
    /// # Errors
    /// See [`PlanError`]; the place of the first problem is named.
    pub fn parse(text: &str) -> Result<Self, PlanError> {
        if text.len() > limits::MAX_BYTES {
            return Err(PlanError::TooLarge { bytes: text.len() });
        }
        check_version(text)?;
        Self::try_from(serde_json::from_str::<RawPlan>(text).map_err(PlanError::Shape)?)
    }

    /// Reads a JSON array of plans, as `ESI_PLANS` carries them: each within its own bounds, no binding twice.
    ///
    /// # Errors
    /// See [`PlanError`]; the place is prefixed with the plan's index.
    pub fn parse_many(text: &str) -> Result<Vec<Self>, PlanError> {
        if text.len() > limits::MAX_BYTES * MAX_PLANS {
            return Err(PlanError::TooLarge { bytes: text.len() });
        }
        if text.trim_start().starts_with('{') {
            return Err(value(
                "plans",
                "write a JSON array, also around a single plan: `[{…}]`",
            ));
        }
        let raw: Vec<&serde_json::value::RawValue> = serde_json::from_str(text).map_err(PlanError::Shape)?;
        if raw.len() > MAX_PLANS {
            return Err(value(
                "plans",
                &format!("there are {}; at most {MAX_PLANS} are read", raw.len()),
            ));
        }
        let mut plans: Vec<Self> = Vec::with_capacity(raw.len());
        for (index, text) in raw.iter().enumerate() {
            let plan = Self::parse(text.get()).map_err(|error| within(&format!("[{index}]"), error))?;
            if plans.iter().any(|other| other.binding == plan.binding) {
                return Err(value(
                    &format!("[{index}].binding"),
                    &format!("`{}` is there twice", plan.binding),
                ));
            }
            plans.push(plan);
        }
        Ok(plans)
    }

    /// The JSON text that [`Plan::parse`] reads back as the same plan.
    #[must_use]
    pub fn to_json(&self) -> String {
        // A struct of strings, numbers and lists always serialises.
        serde_json::to_string(&RawPlan::from(self)).unwrap_or_default()
    }
}

/// Most plans one pod may have: kubelet's own bound of CSI volumes on a node is 256, shared by all its pods.
const MAX_PLANS: usize = 32;

/// A newer version is named before its unknown fields are complained of.
fn check_version(text: &str) -> Result<(), PlanError> {
    #[derive(Deserialize)]
    struct Version {
        version: u64,
    }
    match serde_json::from_str::<Version>(text) {
        Ok(Version { version: 1 }) => Ok(()),
        Ok(Version { version }) => Err(PlanError::Version { version }),
        Err(error) => Err(PlanError::Shape(error)),
    }
}

impl TryFrom<RawPlan> for Plan {
    type Error = PlanError;

    fn try_from(raw: RawPlan) -> Result<Self, PlanError> {
        let RawPlan {
            version: _,
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
        } = raw;
        let env_method = env_method.unwrap_or_default();
        if all_keys && env_method == EnvMethod::File {
            return Err(value(
                "allKeys",
                "Kubernetes wants the name of every variable beforehand: name them in `env`, or set `envMethod` to \
                 `exec`",
            ));
        }
        if env_mode.is_some() && env_method == EnvMethod::File {
            return Err(value(
                "envMode",
                "it belongs to `envMethod: exec`; the file of the other method is read by Kubernetes alone",
            ));
        }
        let files = read_files(files)?;
        if env_method == EnvMethod::Exec {
            refuse_environ(&files)?;
        }
        Ok(Self {
            binding: parse_at("binding", &binding)?,
            server: parse_at("server", server.as_deref().unwrap_or("default"))?,
            source: read_source(source)?,
            ttl: ttl.as_deref().map(read_ttl).transpose()?,
            overlap: overlap.as_deref().map(read_overlap).transpose()?,
            env_method,
            all_keys,
            env_mode: env_mode.map(|text| parse_at("envMode", &text)).transpose()?,
            env: read_env(env)?,
            files,
        })
    }
}

fn read_source(raw: RawSource) -> Result<Source, PlanError> {
    match raw {
        RawSource {
            generator: Some(generator),
            secret: None,
        } => Ok(Source::Generator(generator)),
        RawSource {
            generator: None,
            secret: Some(secret),
        } => {
            check_key("source.secret.key", &secret.key)?;
            Ok(Source::Secret(secret))
        }
        RawSource { .. } => Err(value("source", "write exactly one of `generator` and `secret`")),
    }
}

fn read_ttl(text: &str) -> Result<Duration, PlanError> {
    read_span("ttl", text, limits::MIN_TTL..=limits::MAX_TTL)
}

fn read_overlap(text: &str) -> Result<Duration, PlanError> {
    read_span("overlap", text, Duration::ZERO..=limits::MAX_OVERLAP)
}

fn read_span(place: &str, text: &str, bounds: RangeInclusive<Duration>) -> Result<Duration, PlanError> {
    let span = span::parse(text).map_err(|error| value(place, &error.to_string()))?;
    if bounds.contains(&span) {
        return Ok(span);
    }
    let (min, max) = (span::format(*bounds.start()), span::format(*bounds.end()));
    Err(value(
        place,
        &format!("`{text}` is out of bounds: write {min} to {max}"),
    ))
}

fn read_env(raw: Vec<RawEnv>) -> Result<Vec<EnvOutput>, PlanError> {
    check_count("env", raw.len(), limits::MAX_VARIABLES)?;
    let mut env: Vec<EnvOutput> = Vec::with_capacity(raw.len());
    for (index, RawEnv { name, key, template }) in raw.into_iter().enumerate() {
        let place = format!("env[{index}]");
        let name: EnvName = parse_at(&format!("{place}.name"), &name)?;
        if env.iter().any(|other| other.name == name) {
            return Err(value(
                &format!("{place}.name"),
                &format!("`{name}` is there twice"),
            ));
        }
        let value = match (key, template) {
            (Some(key), None) => EnvValue::Key(check_key(&format!("{place}.key"), &key).map(|()| key)?),
            (None, Some(text)) => {
                EnvValue::Template(check_template(&format!("{place}.template"), &text).map(|()| text)?)
            }
            _ => return Err(self::value(&place, "write exactly one of `key` and `template`")),
        };
        env.push(EnvOutput { name, value });
    }
    Ok(env)
}

fn read_files(raw: Vec<RawFile>) -> Result<Vec<FileOutput>, PlanError> {
    check_count("files", raw.len(), limits::MAX_FILES)?;
    let mut files: Vec<FileOutput> = Vec::with_capacity(raw.len());
    for (
        index,
        RawFile {
            path,
            format,
            key,
            template,
            mode,
        },
    ) in raw.into_iter().enumerate()
    {
        let place = format!("files[{index}]");
        let path: RelativePath = parse_at(&format!("{place}.path"), &path)?;
        if let Some(other) = files.iter().find(|other| other.path.collides_with(&path)) {
            let problem = format!("`{path}` and `{}` cannot both be files", other.path);
            return Err(value(&format!("{place}.path"), &problem));
        }
        let content = match (format, key, template) {
            (Some(format), None, None) => Content::Format(format),
            (None, Some(key), None) => Content::Key(check_key(&format!("{place}.key"), &key).map(|()| key)?),
            (None, None, Some(text)) => {
                Content::Template(check_template(&format!("{place}.template"), &text).map(|()| text)?)
            }
            _ => {
                return Err(value(
                    &place,
                    "write exactly one of `format`, `key` and `template`",
                ));
            }
        };
        let mode = mode
            .map(|text| parse_at(&format!("{place}.mode"), &text))
            .transpose()?;
        files.push(FileOutput { path, content, mode });
    }
    Ok(files)
}

/// Also where there are no variables yet: a plan does not become invalid by its first one.
fn refuse_environ(files: &[FileOutput]) -> Result<(), PlanError> {
    let environ = RelativePath::environ();
    match files.iter().position(|file| file.path.collides_with(&environ)) {
        None => Ok(()),
        Some(index) => Err(value(
            &format!("files[{index}].path"),
            &format!("`{environ}` is where the variables of `envMethod: exec` go: choose another name"),
        )),
    }
}

fn check_count(place: &str, count: usize, max: usize) -> Result<(), PlanError> {
    if count <= max {
        Ok(())
    } else {
        Err(value(
            place,
            &format!("there are {count}; at most {max} are allowed"),
        ))
    }
}

fn check_key(place: &str, key: &str) -> Result<(), PlanError> {
    if key.is_empty() || key.len() > MAX_KEY_BYTES || key.chars().any(char::is_control) {
        return Err(value(
            place,
            &format!("write 1 to {MAX_KEY_BYTES} bytes without control characters"),
        ));
    }
    Ok(())
}

fn check_template(place: &str, text: &str) -> Result<(), PlanError> {
    if text.len() > limits::MAX_TEMPLATE_BYTES {
        let max = limits::MAX_TEMPLATE_BYTES;
        return Err(value(
            place,
            &format!("it has {} bytes; at most {max} are allowed", text.len()),
        ));
    }
    Ok(())
}

fn parse_at<T: FromStr<Err = NameError>>(place: &str, text: &str) -> Result<T, PlanError> {
    text.parse()
        .map_err(|error: NameError| value(place, &error.to_string()))
}

fn value(place: &str, problem: &str) -> PlanError {
    PlanError::Value {
        place: place.to_owned(),
        problem: problem.to_owned(),
    }
}

fn within(prefix: &str, error: PlanError) -> PlanError {
    let (place, problem) = match error {
        PlanError::Value { place, problem } => (format!("{prefix}.{place}"), problem),
        other => (prefix.to_owned(), crate::classify::chain(&other)),
    };
    PlanError::Value { place, problem }
}
