//! Why nothing is explained.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

use crate::config::ConfigError;

/// Why nothing is explained. For a person at a terminal.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ExplainError {
    /// A manifest, or the configuration, cannot be read.
    #[error("{} cannot be read", path.display())]
    Read {
        /// Which one.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A manifest is no YAML.
    #[error("{} is no YAML: {problem}", path.display())]
    Yaml {
        /// Which one.
        path: PathBuf,
        /// What is wrong, and where.
        problem: String,
    },
    /// An object is not what its kind says.
    #[error("{title}: {problem}")]
    Object {
        /// Which one.
        title: String,
        /// What is wrong.
        problem: String,
    },
    /// The configuration is not valid.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Two Injections of one name.
    #[error("{0} is there twice")]
    Twice(String),
    /// Nothing to explain.
    #[error(
        "there is no pod in it: give a Pod, Deployment, StatefulSet, DaemonSet, ReplicaSet, Job or CronJob with -f"
    )]
    NoPod,
    /// A patch that does not fit: a defect.
    #[error("the patch does not fit the pod it was made for")]
    Patch(#[source] json_patch::PatchError),
    /// A pod that cannot be written as YAML: a defect.
    #[error("the pod cannot be written as YAML")]
    Emit(#[source] serde_saphyr::SerializeError),
    /// A pod that cannot be written as JSON: a defect.
    #[error("the pod cannot be written as JSON")]
    Json(#[source] serde_json::Error),
    /// The output is closed.
    #[error("the output cannot be written")]
    Write(#[source] io::Error),
}
