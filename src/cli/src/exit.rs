//! What ended the program, and the exit code that says so.

use esi_client::{CallError, ConnectError, ServerAt, TokenError};
use esi_core::names::BindingName;
use esi_core::{Classify as _, Code};
use thiserror::Error;

use crate::args::UsageError;
use crate::command::CommandError;
use crate::config::ConfigError;
use crate::deliver::DeliverError;
use crate::environ::EnvironFileError;

/// The table that every `--help` ends with. `run` and `exec` return the command's own code besides.
pub(crate) const TABLE: &str = "\
Exit codes:
  0        done
  1        a defect of this program, or the system refused it something it needs
  2        wrong usage, or a plan that is not valid or asks for what does not exist
  3        not authenticated (token, or the server's certificate) or not authorised
  4        the server or its backend could not do it before the deadline
  5        the credential could not be rendered or delivered as the plan says
  126      the command cannot be run
  127      the command is not found
  128 + N  the command, or the start, was ended by signal N
  other    the command's own
";

/// A code of [`TABLE`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Exit {
    Done = 0,
    Internal = 1,
    Usage = 2,
    Refused = 3,
    Unavailable = 4,
    Undeliverable = 5,
    CannotRun = 126,
    NotFound = 127,
}

impl Exit {
    pub(crate) const fn code(self) -> u8 {
        self as u8
    }
}

/// The code of a process that a signal ended, as shells count.
pub(crate) fn of_signal(signal: i32) -> u8 {
    u8::try_from(128_i32.saturating_add(signal)).unwrap_or(u8::MAX)
}

/// The code of a call that failed for good.
fn of_call(error: &CallError) -> Exit {
    match error.code() {
        Code::Unauthenticated | Code::PermissionDenied => Exit::Refused,
        Code::InvalidArgument | Code::NotFound | Code::Unimplemented => Exit::Usage,
        Code::Internal => Exit::Internal,
        Code::ResourceExhausted
        | Code::FailedPrecondition
        | Code::Aborted
        | Code::DeadlineExceeded
        | Code::Unavailable => Exit::Unavailable,
    }
}

/// Why the program ends without having done what it was told to.
#[derive(Debug, Error)]
pub(crate) enum Failure {
    #[error("wrong usage")]
    Usage(#[from] UsageError),
    #[error("wrong configuration")]
    Config(#[from] ConfigError),
    #[error("server {server} cannot be used as configured")]
    Connect {
        server: ServerAt,
        #[source]
        source: ConnectError,
    },
    #[error("the plan of binding `{binding}` cannot be fulfilled, so no credential was asked for")]
    Plan {
        binding: BindingName,
        #[source]
        source: DeliverError,
    },
    #[error("no token to show to server {server}")]
    Token {
        server: ServerAt,
        #[source]
        source: TokenError,
    },
    #[error("no credential for binding `{binding}` from server {server}")]
    Issue {
        binding: BindingName,
        server: ServerAt,
        #[source]
        source: CallError,
    },
    #[error("the credential of binding `{binding}` could not be acknowledged at server {server}")]
    Acknowledge {
        binding: BindingName,
        server: ServerAt,
        #[source]
        source: CallError,
    },
    #[error("the credential of binding `{binding}` could not be delivered")]
    Deliver {
        binding: BindingName,
        #[source]
        source: DeliverError,
    },
    #[error("no variables for the command")]
    Environ(#[from] EnvironFileError),
    #[error("no command")]
    Command(#[from] CommandError),
    #[error(
        "this program cannot be copied to {directory}: mount a volume with room for it there, or name another \
         directory with --install (ESI_INSTALL)"
    )]
    Install {
        directory: String,
        #[source]
        source: std::io::Error,
    },
    #[error("{what}")]
    System {
        what: &'static str,
        #[source]
        source: std::io::Error,
    },
}

impl Failure {
    pub(crate) fn system(what: &'static str) -> impl FnOnce(std::io::Error) -> Self {
        move |source| Self::System { what, source }
    }

    pub(crate) fn exit(&self) -> Exit {
        match self {
            Self::Usage(_) | Self::Config(_) | Self::Connect { .. } => Exit::Usage,
            Self::Issue { source, .. } | Self::Acknowledge { source, .. } => of_call(source),
            Self::Token { .. } => Exit::Refused,
            Self::Plan { .. } | Self::Deliver { .. } | Self::Environ(_) => Exit::Undeliverable,
            Self::Command(error) => error.exit(),
            Self::Install { .. } | Self::System { .. } => Exit::Internal,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signal_counts_as_shells_count() {
        assert_eq!(of_signal(15), 143);
        assert_eq!(of_signal(i32::MAX), 255);
    }

    #[test]
    fn the_table_names_every_code() {
        for exit in [
            Exit::Done,
            Exit::Internal,
            Exit::Usage,
            Exit::Refused,
            Exit::Unavailable,
            Exit::Undeliverable,
            Exit::CannotRun,
            Exit::NotFound,
        ] {
            let line = format!("  {:<9}", exit.code());
            assert!(TABLE.contains(&line), "{exit:?} is not in the table");
        }
    }
}
