//! What annotations say of one binding, and the plan that it becomes.
//!
//! A draft is written as a plan's JSON and read by the plan's own reader. A problem that the reader finds is told
//! with the annotation and the entry in the place of its own.

use esi_core::names::{BindingName, GeneratorRef};
use esi_core::plan::{EnvMethod, Format, PlanError};
use esi_core::{Plan, chain};
use serde::Serialize;

use super::error::AskError;
use super::grammar::{File, Shown, Variable, at};

/// One binding as annotations state it.
#[derive(Debug, Clone)]
pub(super) struct Draft<'a> {
    pub(super) binding: BindingName,
    pub(super) server: Option<&'a str>,
    pub(super) generator: GeneratorRef,
    pub(super) ttl: Option<&'a str>,
    pub(super) overlap: Option<&'a str>,
    pub(super) env_method: EnvMethod,
    pub(super) all_keys: bool,
    pub(super) env: Vec<Variable<'a>>,
    pub(super) files: Vec<File<'a>>,
}

impl Draft<'_> {
    /// Whether it sets variables.
    pub(super) fn has_variables(&self) -> bool {
        self.all_keys || !self.env.is_empty()
    }

    /// The plan. `place_of` says what messages call the place of a field of the plan.
    pub(super) fn plan(&self, place_of: impl Fn(&str) -> String) -> Result<Plan, AskError> {
        // Text, numbers and lists always serialise.
        let json = serde_json::to_string(&Wire::from(self)).unwrap_or_default();
        Plan::parse(&json).map_err(|error| self.told(error, place_of))
    }

    fn told(&self, error: PlanError, place_of: impl Fn(&str) -> String) -> AskError {
        match error {
            PlanError::Value { place, problem } => {
                let (field, index) = match place.split_once(['[', '.']) {
                    Some((field, rest)) => (field, rest.split_once(']')),
                    None => (place.as_str(), None),
                };
                let index: Option<usize> = index.and_then(|(index, _)| index.parse().ok());
                let entry = index.and_then(|index| self.entry(field, index));
                let place = place_of(field);
                let place = entry.map_or_else(|| place.clone(), |entry| at(&place, entry));
                AskError::malformed(place, problem)
            }
            error @ PlanError::TooLarge { .. } => AskError::too_much(place_of("source"), error.to_string()),
            other => AskError::malformed(place_of("source"), chain(&other)),
        }
    }

    fn entry(&self, field: &str, index: usize) -> Option<&str> {
        match field {
            "env" => self.env.get(index).map(|variable| variable.entry),
            "files" => self.files.get(index).map(|file| file.entry),
            _ => None,
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Wire<'a> {
    version: u64,
    binding: &'a BindingName,
    #[serde(skip_serializing_if = "Option::is_none")]
    server: Option<&'a str>,
    source: WireSource<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ttl: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    overlap: Option<&'a str>,
    env_method: EnvMethod,
    all_keys: bool,
    env: Vec<WireVariable<'a>>,
    files: Vec<WireFile<'a>>,
}

#[derive(Serialize)]
struct WireSource<'a> {
    generator: &'a GeneratorRef,
}

#[derive(Serialize)]
struct WireVariable<'a> {
    name: &'a str,
    key: &'a str,
}

#[derive(Serialize)]
struct WireFile<'a> {
    path: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    format: Option<Format>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<&'a str>,
}

impl<'a> From<&'a Draft<'_>> for Wire<'a> {
    fn from(draft: &'a Draft<'_>) -> Self {
        let variable = |&Variable { name, value, .. }: &Variable<'a>| WireVariable { name, key: value };
        let file = |file: &'a File<'_>| {
            let (format, key) = match file.shown {
                Shown::Format(format) => (Some(format), None),
                Shown::Key(key) => (None, Some(key)),
            };
            WireFile {
                path: &file.path,
                format,
                key,
            }
        };
        Self {
            version: 1,
            binding: &draft.binding,
            server: draft.server,
            source: WireSource {
                generator: &draft.generator,
            },
            ttl: draft.ttl,
            overlap: draft.overlap,
            env_method: draft.env_method,
            all_keys: draft.all_keys,
            env: draft.env.iter().map(variable).collect(),
            files: draft.files.iter().map(file).collect(),
        }
    }
}
