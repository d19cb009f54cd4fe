//! Why a webhook could not start, or ended.

use esi_runtime::{ServeError, StartError, TasksError, TlsError};
use thiserror::Error;

use crate::certificates::KeeperError;
use crate::cluster::NoCluster;
use crate::config::ConfigError;
use crate::explain::ExplainError;

/// Why a webhook could not start, or ended. For a person at a terminal or a log: sources are shown.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum AppError {
    /// What comes before everything else.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The async runtime or its signal handlers could not be set up.
    #[error("the process cannot be set up")]
    Runtime(#[source] std::io::Error),
    /// The configuration file.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The certificate.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The cluster's address or credentials.
    #[error(transparent)]
    Cluster(#[from] NoCluster),
    /// The webhook's own certificate authority.
    #[error(transparent)]
    Authority(#[from] KeeperError),
    /// An address.
    #[error(transparent)]
    Serve(#[from] ServeError),
    /// A pod could not be explained.
    #[error(transparent)]
    Explain(#[from] ExplainError),
    /// An essential part ended.
    #[error(transparent)]
    Tasks(#[from] TasksError),
}

impl AppError {
    /// What the process ends with: 2 where a command could not be done as it was given, so that 1 of `explain` means
    /// that a pod would be denied.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Explain(_) => 2,
            _ => 1,
        }
    }
}
