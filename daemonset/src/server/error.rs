//! Why there are no servers, or not this one.

use std::io;

use esi_client::{ConnectError, ServerError};
use esi_core::names::ServerName;
use esi_core::{Classify, Code, Retry};
use thiserror::Error;

/// Why the file of servers is not taken.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ServersError {
    /// It cannot be read.
    #[error("the file of servers (--servers) cannot be read")]
    Unreadable(#[source] io::Error),
    /// It is not JSON of the right shape, or a server in it is none.
    #[error("the file of servers (--servers) is not valid")]
    Invalid(#[source] ServerError),
    /// A server has no audience.
    #[error(
        "server `{server}` in the file of servers (--servers) has no `audience`: write the one that it takes tokens \
         for, since kubelet gives a pod's tokens by audience"
    )]
    NoAudience {
        /// Which.
        server: ServerName,
    },
    /// Two servers take the same tokens.
    #[error(
        "servers `{first}` and `{second}` in the file of servers (--servers) have the same audience `{audience}`: \
         each could show the other a token that it was shown, so give each its own"
    )]
    SharedAudience {
        /// The one.
        first: ServerName,
        /// The other.
        second: ServerName,
        /// What both have.
        audience: String,
    },
    /// A server cannot be called as it is described.
    #[error("server `{server}` in the file of servers (--servers) cannot be used")]
    Unusable {
        /// Which.
        server: ServerName,
        /// Why.
        #[source]
        source: ConnectError,
    },
}

impl Classify for ServersError {
    fn code(&self) -> Code {
        Code::FailedPrecondition
    }

    fn retry(&self) -> Retry {
        match self {
            Self::Unreadable(_) => Retry::Backoff,
            Self::Invalid(_)
            | Self::NoAudience { .. }
            | Self::SharedAudience { .. }
            | Self::Unusable { .. } => Retry::Never,
        }
    }

    fn kind(&self) -> &'static str {
        match self {
            Self::Unreadable(_) => "servers_unreadable",
            Self::Invalid(_) => "servers_invalid",
            Self::NoAudience { .. } => "servers_no_audience",
            Self::SharedAudience { .. } => "servers_shared_audience",
            Self::Unusable { .. } => "servers_unusable",
        }
    }
}

/// A plan names a server that is not in the file.
#[derive(Debug, Error, PartialEq, Eq)]
#[error(
    "the plan names server `{name}`, and this node knows {known}: add it to the node daemon's servers, or name another"
)]
pub struct UnknownServer {
    /// What the plan says.
    pub name: ServerName,
    /// What there is, as a clause.
    pub(super) known: String,
}
