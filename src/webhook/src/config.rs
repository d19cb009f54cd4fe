//! What the operator decides for all pods.

use std::collections::BTreeMap;
use std::time::Duration;

use esi_core::names::ServerName;
use esi_resources::injection::Delivery;
use serde::{Deserialize, Serialize};

/// The configuration, valid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Configuration {
    /// The federation servers that plans may name.
    pub servers: BTreeMap<ServerName, Server>,
    /// Who fills volumes where nobody says otherwise.
    pub delivery: Delivery,
    /// What carries files where nobody says otherwise.
    pub volume: VolumeKind,
    /// The injected init container.
    pub init: InitContainer,
}

/// A federation server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// `https://host[:port]`, without a path.
    pub url: String,
    /// The certificates that its own is checked against, in PEM.
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
    /// Time for everything that it does, retries included.
    pub deadline: Duration,
    /// How long its token lives: 600 s to 3600 s.
    pub token_lifetime: Duration,
}
