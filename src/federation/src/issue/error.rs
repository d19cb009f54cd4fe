//! Why nothing was issued.

use std::time::Duration;

use esi_core::{Classify, Code, Retry};
use esi_generators::GeneratorError;
use esi_ledger::StoreError;
use thiserror::Error;

use crate::authorise::NotAuthorised;

/// Why nothing was issued.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum IssueError {
    /// The principal may not use the generator.
    #[error(transparent)]
    NotAuthorised(#[from] NotAuthorised),
    /// The ledger refused or failed.
    #[error(transparent)]
    Ledger(#[from] StoreError),
    /// The generator refused or failed.
    #[error(transparent)]
    Generator(#[from] GeneratorError),
    /// The backend took too long.
    #[error("the backend did not mint within {} s", after.as_secs())]
    TooSlow {
        /// How long it was waited for.
        after: Duration,
    },
    /// A revocation of the binding came while the request waited for its turn.
    #[error(
        "the binding was revoked while this request waited for its turn: ask again if it is still wanted"
    )]
    Revoked,
    /// Too many issues are under way.
    #[error("the server is issuing as much as it can: try again shortly")]
    Busy,
    /// A defect.
    #[error("the server failed while issuing; the attempt is cleaned up")]
    Panicked,
}

impl Classify for IssueError {
    fn code(&self) -> Code {
        match self {
            Self::NotAuthorised(error) => error.code(),
            Self::Ledger(error) => error.code(),
            Self::Generator(error) => error.code(),
            Self::TooSlow { .. } => Code::DeadlineExceeded,
            Self::Revoked => Code::Aborted,
            Self::Busy => Code::ResourceExhausted,
            Self::Panicked => Code::Internal,
        }
    }

    fn retry(&self) -> Retry {
        match self {
            Self::NotAuthorised(error) => error.retry(),
            Self::Ledger(error) => error.retry(),
            Self::Generator(error) => error.retry(),
            Self::TooSlow { .. } | Self::Revoked | Self::Panicked => Retry::Backoff,
            Self::Busy => Retry::After(Duration::from_secs(1)),
        }
    }

    fn kind(&self) -> &'static str {
        match self {
            Self::NotAuthorised(error) => error.kind(),
            Self::Ledger(error) => error.kind(),
            Self::Generator(error) => error.kind(),
            Self::TooSlow { .. } => "mint_too_slow",
            Self::Revoked => "revoked",
            Self::Busy => "busy",
            Self::Panicked => "panicked",
        }
    }
}
