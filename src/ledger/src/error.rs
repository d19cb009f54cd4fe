//! What can go wrong with the ledger, classified.

use std::error::Error;

use esi_core::{Classify, Code, Retry};
use thiserror::Error;

/// Why the ledger did not do what it was asked.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The lease is no intent any more: a newer request took its place, it was ended, or its time ran out.
    #[error("a newer request for this binding, or its end, took this one's place")]
    Superseded,
    /// The generation named is not active.
    #[error("this generation of the binding is not live")]
    NotLive,
    /// The claim was fenced out by a later one, or already settled.
    #[error("the claim on the lease is no longer held")]
    ClaimLost,
    /// The handle is larger than a ledger keeps.
    #[error(
        "the backend handle has {bytes} bytes; at most {} are kept",
        esi_core::Handle::MAX_BYTES
    )]
    HandleTooLarge {
        /// Its size.
        bytes: usize,
    },
    /// The store cannot write now: disk full, I/O error, or it is shutting down.
    #[error("the lease ledger cannot be written")]
    Unavailable(#[source] Box<dyn Error + Send + Sync>),
    /// More requests are waiting than the ledger queues.
    #[error("the lease ledger is overloaded")]
    Overloaded,
    /// A row that this version cannot understand.
    #[error("the lease ledger holds a record that this version cannot read")]
    Corrupt(#[source] Box<dyn Error + Send + Sync>),
}

impl Classify for StoreError {
    fn code(&self) -> Code {
        match self {
            Self::Superseded | Self::ClaimLost => Code::Aborted,
            Self::NotLive => Code::FailedPrecondition,
            Self::HandleTooLarge { .. } | Self::Corrupt(_) => Code::Internal,
            Self::Unavailable(_) => Code::Unavailable,
            Self::Overloaded => Code::ResourceExhausted,
        }
    }

    fn retry(&self) -> Retry {
        match self {
            Self::Superseded
            | Self::NotLive
            | Self::ClaimLost
            | Self::HandleTooLarge { .. }
            | Self::Corrupt(_) => Retry::Never,
            Self::Unavailable(_) | Self::Overloaded => Retry::Backoff,
        }
    }

    fn kind(&self) -> &'static str {
        match self {
            Self::Superseded => "superseded",
            Self::NotLive => "not_live",
            Self::ClaimLost => "claim_lost",
            Self::HandleTooLarge { .. } => "handle_too_large",
            Self::Unavailable(_) => "ledger_unavailable",
            Self::Overloaded => "ledger_overloaded",
            Self::Corrupt(_) => "ledger_corrupt",
        }
    }
}
