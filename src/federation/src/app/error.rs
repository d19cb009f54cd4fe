//! Why a server could not start, or ended.

use esi_ledger::sqlite::OpenError;
use esi_resources::catalog::CatalogError;
use esi_runtime::{ServeError, StartError, TasksError, TlsError};
use thiserror::Error;

use crate::dev::DevKeyError;

/// Why a server could not start, or ended. For a person at a terminal or a log: sources are shown.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum AppError {
    /// What comes before everything else.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The async runtime or its signal handlers could not be set up.
    #[error("the process cannot be set up")]
    Runtime(#[source] std::io::Error),
    /// A default that is never granted.
    #[error("{flag} is {value}, more than {bound}, {max}: lower the first or raise the second")]
    FlagOrder {
        /// What is too much, with its variable.
        flag: &'static str,
        /// As a duration is written.
        value: String,
        /// What bounds it, with its variable.
        bound: &'static str,
        /// As a duration is written.
        max: String,
    },
    /// The manifests.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    /// The ledger.
    #[error(transparent)]
    Ledger(OpenError),
    /// The certificate.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// An address.
    #[error(transparent)]
    Serve(#[from] ServeError),
    /// An essential part ended.
    #[error(transparent)]
    Tasks(#[from] TasksError),
    /// A part of the start panicked.
    #[error("a part of the start failed unexpectedly")]
    Panicked,
    /// A trial that other machines could reach.
    #[error("dev serves on loopback only: give 127.0.0.1 or [::1], or use serve")]
    NotLoopback,
    /// The trial's directory.
    #[error("the trial's directory cannot be written")]
    DevDirectory(#[source] std::io::Error),
    /// The trial's key.
    #[error(transparent)]
    DevKey(#[from] DevKeyError),
}
