//! One setting from three places: flag, variable, file; the first that says it wins.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fmt::Display;
use std::path::{Path, PathBuf};

use esi_client::read_bounded;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::error::ConfigError;
use crate::args::{Flag, Typed};

/// The process's environment, read once.
pub(crate) type Environment = BTreeMap<OsString, OsString>;

/// Most bytes of a `--config` file: the plans' own bound (2 MiB) and as much again for CAs.
const MAX_CONFIG_BYTES: usize = 4 * 1024 * 1024;

/// Where settings are looked up.
#[derive(Debug)]
pub(crate) struct Settings<'a> {
    typed: &'a Typed,
    environment: &'a Environment,
    file: ConfigFile,
}

/// The content of a `--config` file.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct ConfigFile {
    plans: Option<Box<RawValue>>,
    servers: Option<Box<RawValue>>,
    #[serde(alias = "token_file")]
    token_file: Option<String>,
    volumes: Option<String>,
    deadline: Option<String>,
    instance: Option<String>,
}

/// What one of the places says.
#[derive(Debug)]
pub(crate) struct Setting {
    value: OsString,
    place: String,
}

impl Setting {
    /// A setting that nobody made.
    pub(crate) fn default_of(flag: Flag) -> Self {
        Self {
            value: OsString::new(),
            place: format!("the default of --{}", flag.spec().name),
        }
    }

    /// Its text.
    ///
    /// # Errors
    /// If it is not UTF-8.
    pub(crate) fn text(&self) -> Result<&str, ConfigError> {
        self.value
            .to_str()
            .ok_or_else(|| self.refuse("it is not UTF-8 text"))
    }

    /// It as a path.
    pub(crate) fn path(&self) -> &Path {
        Path::new(&self.value)
    }

    /// An error at its place.
    pub(crate) fn refuse(&self, problem: impl Display) -> ConfigError {
        ConfigError::new(self.place.clone(), problem)
    }

    /// Its text, or that of the file which `@FILE` names.
    ///
    /// # Errors
    /// If it is not UTF-8, or the file cannot be read or has more than `max` bytes.
    pub(crate) fn text_or_file(&self, max: usize) -> Result<String, ConfigError> {
        let text = self.text()?;
        match text.strip_prefix('@') {
            None => Ok(text.to_owned()),
            Some(path) => self.file(Path::new(path), max),
        }
    }

    /// The text of the file that it names.
    ///
    /// # Errors
    /// If the file cannot be read, is not UTF-8 or has more than `max` bytes.
    pub(crate) fn file_text(&self, max: usize) -> Result<String, ConfigError> {
        self.file(self.path(), max)
    }

    fn file(&self, path: &Path, max: usize) -> Result<String, ConfigError> {
        let refuse = |problem: &dyn Display| self.refuse(format!("{}: {problem}", path.display()));
        let bytes = read_bounded(path, max).map_err(|error| refuse(&error))?;
        String::from_utf8(bytes).map_err(|error| refuse(&error.utf8_error()))
    }
}

impl<'a> Settings<'a> {
    /// Looks into the flags, the environment and, where one is named, the configuration file.
    ///
    /// # Errors
    /// If that file cannot be read or is not of its shape.
    pub(crate) fn new(typed: &'a Typed, environment: &'a Environment) -> Result<Self, ConfigError> {
        let mut settings = Self {
            typed,
            environment,
            file: ConfigFile::default(),
        };
        if let Some(setting) = settings.get(Flag::Config) {
            let text = setting.file_text(MAX_CONFIG_BYTES)?;
            settings.file = serde_json::from_str(&text).map_err(|error| setting.refuse(error))?;
        }
        Ok(settings)
    }

    /// What is set for `flag`, if this verb takes it and somebody set it.
    pub(crate) fn get(&self, flag: Flag) -> Option<Setting> {
        let spec = flag.spec();
        if !spec.verbs.contains(&self.typed.verb) {
            return None;
        }
        let flag_place = || format!("--{}", spec.name);
        if let Some(value) = self.all(flag).first() {
            return Some(Setting {
                value: value.clone(),
                place: flag_place(),
            });
        }
        if let Some(variable) = spec.variable
            && let Some(value) = self.environment.get(OsStr::new(variable))
        {
            return Some(Setting {
                value: value.clone(),
                place: variable.to_owned(),
            });
        }
        self.in_file(flag).map(|value| Setting {
            value: value.into(),
            place: format!("--config, {}", spec.name),
        })
    }

    /// Every time that `flag` was typed, each as a setting.
    pub(crate) fn each(&self, flag: Flag) -> impl Iterator<Item = Setting> {
        self.all(flag).iter().map(move |value| Setting {
            value: value.clone(),
            place: format!("--{}", flag.spec().name),
        })
    }

    /// Whether `flag` was typed.
    pub(crate) fn is_typed(&self, flag: Flag) -> bool {
        self.typed.flags.contains_key(&flag)
    }

    /// The path set for `flag`, or `default`.
    pub(crate) fn path(&self, flag: Flag, default: &str) -> PathBuf {
        self.get(flag)
            .map_or_else(|| PathBuf::from(default), |setting| setting.path().to_owned())
    }

    fn all(&self, flag: Flag) -> &[OsString] {
        self.typed.flags.get(&flag).map_or(&[], Vec::as_slice)
    }

    fn in_file(&self, flag: Flag) -> Option<String> {
        let ConfigFile {
            plans,
            servers,
            token_file,
            volumes,
            deadline,
            instance,
        } = &self.file;
        let json = |raw: &Option<Box<RawValue>>| raw.as_ref().map(|raw| raw.get().to_owned());
        match flag {
            Flag::Plans => json(plans),
            Flag::Servers => json(servers),
            Flag::TokenFile => token_file.clone(),
            Flag::Volumes => volumes.clone(),
            Flag::Deadline => deadline.clone(),
            Flag::Instance => instance.clone(),
            Flag::EnvDir
            | Flag::Install
            | Flag::Environ
            | Flag::Config
            | Flag::Plan
            | Flag::ServerUrl
            | Flag::Ca
            | Flag::Generator
            | Flag::Env
            | Flag::File
            | Flag::Binding
            | Flag::Ttl
            | Flag::Values
            | Flag::Out
            | Flag::Show => None,
        }
    }
}
