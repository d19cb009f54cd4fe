//! Why a volume is not filled by the daemon.

use esi_client::{CallError, TokenError};
use esi_core::names::ServerName;
use esi_core::{Classify, Code, Retry};
use esi_delivery::DeliveryError;
use esi_render::RenderError;
use thiserror::Error;

use crate::mount::MountError;
use crate::server::UnknownServer;

/// Why a volume is not filled. The message is an event of the pod, for its author.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum NodeFillError {
    /// Nobody would start the command with the variables.
    #[error(
        "the plan wants variables for `esi-cli exec`, which only an init container can install: use delivery `init`, \
         or variables of method `file`"
    )]
    ExecVariables,
    /// The plan's server is not known here.
    #[error(transparent)]
    Server(#[from] UnknownServer),
    /// kubelet gave no token for the server.
    #[error(
        "kubelet gave no token of the pod for the audience `{audience}` of server `{server}`: list that audience in \
         `tokenRequests` of the CSIDriver"
    )]
    NoToken {
        /// Whose audience.
        server: ServerName,
        /// What the CSIDriver must list.
        audience: String,
    },
    /// What kubelet gave is no token.
    #[error("the pod's token for server `{server}` is none")]
    BadToken {
        /// Whose audience it has.
        server: ServerName,
        /// What is wrong with it.
        #[source]
        source: TokenError,
    },
    /// The plan or a value cannot be rendered.
    #[error("the credential cannot be put into the form that the plan wants: {0}")]
    Render(#[source] RenderError),
    /// kubelet has not made the directory of env files ready.
    #[error(
        "the pod's directory of env files is not ready: it must have the volume `esi-env`, an emptyDir of medium \
         `Memory`, mounted by a container; the webhook of ESI adds it"
    )]
    NoEnvDirectory,
    /// The way to the directory of env files cannot be walked.
    #[error("the pod's directory of env files cannot be looked at")]
    EnvDirectory(#[source] MountError),
    /// The server gave no credential.
    #[error("no credential from server `{server}`: {reason}")]
    Issue {
        /// Which.
        server: ServerName,
        /// What it said, or why it said nothing.
        reason: String,
        /// All about it.
        #[source]
        source: CallError,
    },
    /// The files could not be written.
    #[error("the credential cannot be delivered: {0}")]
    Deliver(#[source] DeliveryError),
    /// Its pod may write to the volume, and only root could write there too.
    #[error(
        "the volume is writable for its pod, and the daemon would have to write there as root: give all containers of \
         the pod one `runAsUser` that is not 0, or use delivery `node`"
    )]
    Writable,
    /// The thread that was to write is gone.
    #[error("the daemon stopped before the credential was delivered")]
    Stopped,
}

impl NodeFillError {
    /// From a failed issue.
    pub(super) fn issue(server: ServerName, source: CallError) -> Self {
        let reason = match &source {
            CallError::Refused { last, .. } => last.to_string(),
            CallError::OutOfTime { last: Some(last), .. } | CallError::AskedToWait { last, .. } => {
                format!("{source}: {last}")
            }
            _ => source.to_string(),
        };
        Self::Issue {
            server,
            reason,
            source,
        }
    }
}

impl Classify for NodeFillError {
    fn code(&self) -> Code {
        // A final code would make kubelet forget a volume that has a record and, from the issue on, a credential.
        Code::Unavailable
    }

    fn retry(&self) -> Retry {
        match self {
            Self::ExecVariables | Self::BadToken { .. } | Self::Writable => Retry::Never,
            // A person may list the audience or add the server, and a republish brings it.
            Self::Server(_)
            | Self::NoToken { .. }
            | Self::NoEnvDirectory
            | Self::EnvDirectory(_)
            | Self::Stopped => Retry::Backoff,
            Self::Render(error) => error.retry(),
            Self::Issue { source, .. } => source.retry(),
            Self::Deliver(error) => error.retry(),
        }
    }

    fn kind(&self) -> &'static str {
        match self {
            Self::ExecVariables => "fill_exec_variables",
            Self::Server(_) => "fill_unknown_server",
            Self::NoToken { .. } => "fill_no_token",
            Self::BadToken { .. } => "fill_bad_token",
            Self::Render(error) => error.kind(),
            Self::NoEnvDirectory => "fill_no_env_directory",
            Self::EnvDirectory(_) => "fill_env_directory",
            Self::Issue { source, .. } => source.kind(),
            Self::Deliver(error) => error.kind(),
            Self::Writable => "fill_writable",
            Self::Stopped => "fill_stopped",
        }
    }
}
