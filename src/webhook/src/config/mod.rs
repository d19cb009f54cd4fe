//! What the operator decides for all pods.
//!
//! ```text
//!  file (YAML) ──document──▶ Document ──judge──▶ Configuration ──▶ Current ◀── every admission
//!  CA files ─────────────────────────────┘                            ▲
//!  a file changed ──follow──▶ read again, all of it ── good? ─────────┘   (broken: the last good one stays)
//! ```
//!
//! Invariants: a [`Configuration`] is valid; it changes as a whole; what a broken file says is never used, and is said
//! in the log and by a metric.

mod document;
mod error;
mod follow;
mod judge;
mod trust;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use esi_core::names::ServerName;
use esi_resources::injection::Delivery;
use serde::{Deserialize, Serialize};

pub use error::ConfigError;
pub use follow::{Current, Follower, open};

/// The configuration, valid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Configuration {
    /// The federation servers that plans may name: at least one.
    pub servers: BTreeMap<ServerName, Server>,
    /// Who fills volumes where nobody says otherwise.
    pub delivery: Delivery,
    /// What carries files where nobody says otherwise.
    pub volume: VolumeKind,
    /// The injected init container.
    pub init: InitContainer,
}

impl Configuration {
    /// Reads a configuration from the text of its file. `read_ca` reads the CA files that it names: the text of one, or
    /// why there is none.
    ///
    /// # Errors
    /// If the text is not valid, with the place and what to write there.
    pub fn parse(text: &str, read_ca: &dyn Fn(&Path) -> Result<String, String>) -> Result<Self, ConfigError> {
        judge::judge(text, read_ca).map(|judged| judged.configuration)
    }
}

/// A federation server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// `https://host[:port]`, without a path.
    pub url: String,
    /// The certificates that its own is checked against, in PEM, and nothing else.
    pub ca: String,
    /// Whom a token must be for, to be shown to it.
    pub audience: String,
}

/// What carries the files of a binding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum VolumeKind {
    /// An inline ephemeral volume of the node daemon's driver.
    Csi,
    /// A memory emptyDir, for nodes where no daemon runs. Filled once, by the init container.
    EmptyDir,
}

/// The injected init container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InitContainer {
    /// The image of `esi-cli`.
    pub image: String,
    /// `Always`, `IfNotPresent` or `Never`; Kubernetes' default where absent.
    pub image_pull_policy: Option<String>,
    /// Who it runs as where the pod does not say; never 0.
    pub run_as_user: u32,
    /// CPU asked for, a Kubernetes quantity.
    pub cpu: String,
    /// Memory asked for and the limit, a Kubernetes quantity.
    pub memory: String,
    /// Time for everything that it does, retries included: 1 s to 1 h.
    pub deadline: Duration,
    /// How long its token lives: 600 s to 3600 s.
    pub token_lifetime: Duration,
}

#[cfg(test)]
mod tests;
