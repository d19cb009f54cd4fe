//! Why a server was not told, or a volume not rotated.

use esi_client::CallError;
use esi_core::{Classify, Code, Retry};
use thiserror::Error;

use crate::fill::FillError;
use crate::server::UnknownServer;

/// Why a server was not told.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SendError {
    /// It is not known here.
    #[error(transparent)]
    Server(#[from] UnknownServer),
    /// It did not take it.
    #[error(transparent)]
    Call(#[from] CallError),
    /// Another call for one of the volumes is running.
    #[error("another call for the volume is running; it is tried again")]
    Busy,
}

impl Classify for SendError {
    fn code(&self) -> Code {
        match self {
            Self::Server(_) => Code::FailedPrecondition,
            Self::Call(error) => error.code(),
            Self::Busy => Code::Aborted,
        }
    }

    fn retry(&self) -> Retry {
        match self {
            // A person may name it at any time.
            Self::Server(_) | Self::Busy => Retry::Backoff,
            Self::Call(error) => error.retry(),
        }
    }

    fn kind(&self) -> &'static str {
        match self {
            Self::Server(_) => "unknown_server",
            Self::Call(error) => error.kind(),
            Self::Busy => "volume_busy",
        }
    }
}

/// Why a volume still shows what it showed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RotateError {
    /// Another call for it is running.
    #[error("another call for the volume is running; it is tried again")]
    Busy,
    /// It is not there any more, or about to go.
    #[error("the volume is gone, or about to go")]
    Gone,
    /// There is no successor, or it could not be written.
    #[error(transparent)]
    Fill(#[from] FillError),
    /// It took too long.
    #[error("the successor did not come in time; it is tried again")]
    Late,
}

impl Classify for RotateError {
    fn code(&self) -> Code {
        match self {
            Self::Busy | Self::Gone => Code::Aborted,
            Self::Fill(error) => error.code(),
            Self::Late => Code::DeadlineExceeded,
        }
    }

    fn retry(&self) -> Retry {
        match self {
            Self::Busy | Self::Gone | Self::Late => Retry::Backoff,
            Self::Fill(error) => error.retry(),
        }
    }

    fn kind(&self) -> &'static str {
        match self {
            Self::Busy => "volume_busy",
            Self::Gone => "volume_gone",
            Self::Fill(error) => error.kind(),
            Self::Late => "volume_late",
        }
    }
}
