//! Why a daemon could not start, or ended.

use std::path::PathBuf;

use esi_runtime::{ServeError, StartError, TasksError};
use thiserror::Error;

use crate::csi::probe::Unanswered;
use crate::csi::socket::SocketError;
use crate::mount::KernelError;
use crate::server::ServersError;
use crate::state::StateError;

/// Why a daemon could not start, or ended. For a person at a terminal or a log: sources are shown.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum AppError {
    /// What comes before everything else.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The async runtime or its signal handlers could not be set up.
    #[error("the process cannot be set up")]
    Runtime(#[source] std::io::Error),
    /// A directory of the daemon's own.
    #[error("the directory {} cannot be made", path.display())]
    Directory {
        /// Its path.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The kernel, or kubelet's directory.
    #[error(transparent)]
    Kernel(#[from] KernelError),
    /// Which life of the node this is.
    #[error("the kernel does not say which boot this is")]
    Boot(#[source] std::io::Error),
    /// The records.
    #[error(transparent)]
    State(#[from] StateError),
    /// The federation servers.
    #[error(transparent)]
    Servers(#[from] ServersError),
    /// A socket.
    #[error(transparent)]
    Socket(#[from] SocketError),
    /// A socket that was just made.
    #[error(transparent)]
    Unanswered(#[from] Unanswered),
    /// The admin address.
    #[error(transparent)]
    Serve(#[from] ServeError),
    /// A part of the start panicked.
    #[error("a part of the start failed unexpectedly")]
    Panicked,
    /// An essential part ended.
    #[error(transparent)]
    Tasks(#[from] TasksError),
}
