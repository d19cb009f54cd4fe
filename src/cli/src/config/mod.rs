//! What was typed, told by the environment and read from files, judged once.
//!
//! ```text
//!  flags > variables > --config FILE ──settings──▶ text ──plans, servers──▶ Config (valid)
//! ```
//!
//! Invariant: whatever leaves here is valid; a refusal names the flag, variable or file, and the place in it.

mod error;
mod plans;
mod servers;
mod settings;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use esi_client::Server;
use esi_core::names::{ClientInstance, ServerName};
use esi_core::{Plan, span};
use uuid::Uuid;

pub(crate) use error::ConfigError;
pub(crate) use settings::{Environment, Settings};

use crate::args::Flag;

/// The time that everything up to the command's start may take, where nobody says otherwise.
const DEFAULT_DEADLINE: Duration = Duration::from_secs(120);

/// Everything that `init`, `exec` and `run` need to know.
#[derive(Debug)]
pub(crate) struct Config {
    /// At least one; no binding twice.
    pub(crate) plans: Vec<Plan>,
    /// Has the server of every plan.
    pub(crate) servers: BTreeMap<ServerName, Server>,
    /// Holds one directory for each binding.
    pub(crate) volumes: PathBuf,
    /// Where `init` writes env files.
    pub(crate) env_dir: PathBuf,
    /// Where `init` copies this program.
    pub(crate) install: Option<PathBuf>,
    /// Time for everything up to the command's start.
    pub(crate) deadline: Duration,
    /// What this process calls itself when its token is not a pod's.
    pub(crate) instance: ClientInstance,
}

impl Config {
    /// Judges the settings.
    ///
    /// # Errors
    /// Naming the flag, variable or file, and the place in it.
    pub(crate) fn read(settings: &Settings<'_>) -> Result<Self, ConfigError> {
        let plans = plans::read(settings)?;
        let servers = servers::read(settings)?;
        if let Some(plan) = plans.iter().find(|plan| !servers.contains_key(&plan.server)) {
            return Err(ConfigError::new(
                format!("plan `{}`", plan.binding),
                format!(
                    "its server `{}` is not configured: add it to --servers (ESI_SERVERS)",
                    plan.server
                ),
            ));
        }
        Ok(Self {
            plans,
            servers,
            volumes: settings.path(Flag::Volumes, "/esi/volumes"),
            env_dir: settings.path(Flag::EnvDir, "/esi/env"),
            install: settings
                .get(Flag::Install)
                .map(|setting| setting.path().to_owned()),
            deadline: deadline(settings)?,
            instance: instance(settings)?,
        })
    }
}

/// Judges only the plans: all that `render` needs.
///
/// # Errors
/// Naming the flag, variable or file, and the place in it.
pub(crate) fn read_plans(settings: &Settings<'_>) -> Result<Vec<Plan>, ConfigError> {
    plans::read(settings)
}

/// The files of variables to start a command with; none where they are to be fetched.
///
/// # Errors
/// If a flag is there which is for fetching.
pub(crate) fn environ_files(settings: &Settings<'_>) -> Result<Vec<PathBuf>, ConfigError> {
    let files: Vec<PathBuf> = settings
        .each(Flag::Environ)
        .map(|setting| setting.path().to_owned())
        .collect();
    let other = Flag::ALL
        .into_iter()
        .find(|flag| *flag != Flag::Environ && settings.is_typed(*flag));
    match other {
        Some(other) if !files.is_empty() => Err(ConfigError::new(
            format!("--{}", other.spec().name),
            "it is for fetching, and with --environ nothing is fetched: leave out one of the two",
        )),
        _ => Ok(files),
    }
}

fn deadline(settings: &Settings<'_>) -> Result<Duration, ConfigError> {
    let Some(setting) = settings.get(Flag::Deadline) else {
        return Ok(DEFAULT_DEADLINE);
    };
    match span::parse(setting.text()?) {
        Ok(Duration::ZERO) => Err(setting.refuse("it is zero: nothing could be done in it")),
        Ok(deadline) => Ok(deadline),
        Err(error) => Err(setting.refuse(error)),
    }
}

fn instance(settings: &Settings<'_>) -> Result<ClientInstance, ConfigError> {
    let random;
    let (text, setting) = match settings.get(Flag::Instance) {
        Some(setting) => (setting.text()?.to_owned(), setting),
        None => {
            random = Uuid::new_v4().to_string();
            (random, settings::Setting::default_of(Flag::Instance))
        }
    };
    text.parse().map_err(|error| setting.refuse(error))
}
