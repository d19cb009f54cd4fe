//! What the CSI service asks of the volumes, and how they can fail.
//!
//! The codes are chosen by what kubelet does with them (`isFinalError`): after a final code on a first publish it
//! forgets the volume and never unpublishes it. So a final code is given only before anything was done; whatever fails
//! later is [`Code::Unavailable`], [`Code::ResourceExhausted`], [`Code::DeadlineExceeded`] or [`Code::Aborted`], and
//! kubelet comes back.

use std::error::Error;
use std::fmt;

use async_trait::async_trait;
use esi_core::{Classify, Code, Retry};
use thiserror::Error;

use crate::fill::FillError;
use crate::request::{Publish, Unpublish};

/// Makes volumes be there and be gone. Every call may be repeated, with the same effect as one.
#[async_trait]
pub trait Driver: Send + Sync + fmt::Debug {
    /// Returns once the volume is mounted with its content. On a volume that is, it changes nothing.
    ///
    /// # Errors
    /// See [`PublishError`]. What the call itself did is undone, as far as it can be.
    async fn publish(&self, request: Publish) -> Result<(), PublishError>;

    /// Returns once the volume is gone and its release is durable. Needs no network; a volume that is unknown, not
    /// mounted or not there is gone.
    ///
    /// # Errors
    /// See [`UnpublishError`].
    async fn unpublish(&self, request: Unpublish) -> Result<(), UnpublishError>;
}

/// What caused an error below the volumes.
pub type Cause = Box<dyn Error + Send + Sync>;

/// Why a volume is not published.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum PublishError {
    /// Another call for this volume is running.
    #[error("another call for this volume is running; it is tried again")]
    Busy,
    /// The volume is published elsewhere.
    #[error("this volume is already published at another target path")]
    OtherTarget,
    /// kubelet's directory of the volume cannot be reached without following a link.
    #[error(
        "kubelet's directory of the volume cannot be opened: it must exist below the kubelet root, without symbolic links"
    )]
    Target(#[source] Cause),
    /// Something that is no volume of ours lies at the target.
    #[error("the target path is taken by something that is not this volume: remove it")]
    Occupied,
    /// The record cannot be made durable.
    #[error("the node's state directory cannot be written: make room for it, or repair its disk")]
    State(#[source] Cause),
    /// The kernel did not mount it.
    #[error("the volume could not be mounted; it is tried again")]
    Mount(#[source] Cause),
    /// It could not be filled.
    #[error(transparent)]
    Fill(#[from] FillError),
    /// Filling it took too long.
    #[error("the volume was not filled in time; it is tried again")]
    Late,
    /// An unpublish, or a shutdown, came in between.
    #[error("the volume was stopped while it was being published")]
    Stopped,
}

impl Classify for PublishError {
    fn code(&self) -> Code {
        match self {
            Self::Busy | Self::Stopped => Code::Aborted,
            // Found before anything is done.
            Self::OtherTarget | Self::Target(_) => Code::FailedPrecondition,
            Self::State(_) => Code::ResourceExhausted,
            Self::Late => Code::DeadlineExceeded,
            Self::Occupied | Self::Mount(_) | Self::Fill(_) => Code::Unavailable,
        }
    }

    fn retry(&self) -> Retry {
        match self {
            Self::OtherTarget => Retry::Never,
            Self::Fill(error) => error.retry(),
            Self::Busy
            | Self::Stopped
            | Self::Late
            | Self::Target(_)
            | Self::State(_)
            | Self::Occupied
            | Self::Mount(_) => Retry::Backoff,
        }
    }

    fn kind(&self) -> &'static str {
        match self {
            Self::Busy => "volume_busy",
            Self::OtherTarget => "volume_other_target",
            Self::Target(_) => "volume_target",
            Self::Occupied => "volume_occupied",
            Self::State(_) => "volume_state",
            Self::Mount(_) => "volume_mount",
            Self::Fill(error) => error.kind(),
            Self::Late => "volume_late",
            Self::Stopped => "volume_stopped",
        }
    }
}

/// Why a volume is not unpublished. kubelet tries again with any code.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum UnpublishError {
    /// Another call for this volume is running and did not stop in time.
    #[error("another call for this volume is running; it is tried again")]
    Busy,
    /// The kernel did not unmount it, or its directory cannot be removed.
    #[error("the volume could not be unmounted; it is tried again")]
    Unmount(#[source] Cause),
}

impl Classify for UnpublishError {
    fn code(&self) -> Code {
        match self {
            Self::Busy => Code::Aborted,
            Self::Unmount(_) => Code::Unavailable,
        }
    }

    fn retry(&self) -> Retry {
        Retry::Backoff
    }

    fn kind(&self) -> &'static str {
        match self {
            Self::Busy => "volume_busy",
            Self::Unmount(_) => "volume_unmount",
        }
    }
}
