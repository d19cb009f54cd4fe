//! What the volumes ask of whoever fills them.
//!
//! One life: `fill` into a volume that is mounted nowhere yet, then `shown` once it is, or `give_back` if it never
//! will be.

use std::error::Error;
use std::fmt;
use std::os::fd::OwnedFd;
use std::time::Duration;

use async_trait::async_trait;
use esi_core::{Classify, Code, Generation, Retry};

use crate::request::Publish;

/// Fills volumes of delivery `node`.
#[async_trait]
pub trait Fill: Send + Sync + fmt::Debug {
    /// Issues, renders, and writes one generation into `root`, the root of a file system that is mounted nowhere yet
    /// (its descriptor may be `O_PATH`), and the env file beside it. The volume's lock is held, and its record is
    /// durable. The descriptor is closed before this returns: an open one would keep the volume from being unmounted.
    ///
    /// May be dropped at any await.
    ///
    /// # Errors
    /// If there is no whole generation in `root`.
    async fn fill(&self, volume: &Publish, root: OwnedFd) -> Result<Filled, FillError>;

    /// Tells the server that the generation is visible in the pod. That this fails is no error of the publish: the
    /// reports repeat it.
    async fn shown(&self, volume: &Publish, filled: &Filled);

    /// Gives back what a publish issued that failed afterwards, as far as that can be done now: the next generation
    /// ends it anyway, since nobody acknowledged it.
    async fn give_back(&self, volume: &Publish);
}

/// What a volume was filled with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Filled {
    /// Which credential.
    pub generation: Generation,
    /// Time until it expires.
    pub expires_in: Option<Duration>,
}

/// Why a volume is not filled: the error of whoever was to, which says itself what it means.
#[derive(Debug)]
pub struct FillError(Box<dyn Classify + Send + Sync>);

impl FillError {
    /// From the error of an implementation.
    pub fn new(error: impl Classify + Send + Sync + 'static) -> Self {
        Self(Box::new(error))
    }
}

impl fmt::Display for FillError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Error for FillError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.source()
    }
}

impl Classify for FillError {
    fn code(&self) -> Code {
        self.0.code()
    }

    fn retry(&self) -> Retry {
        self.0.retry()
    }

    fn kind(&self) -> &'static str {
        self.0.kind()
    }
}
