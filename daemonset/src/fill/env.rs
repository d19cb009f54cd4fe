//! The pod's directory of env files: an emptyDir beside the volume, which kubelet makes at the same time.

use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::error::NodeFillError;
use crate::mount::{MountError, Pods};
use crate::request::Target;

/// How long kubelet may take to make it. It does so beside the volume, in milliseconds; what is longer is a pod that
/// has no such volume, or a node in trouble, and kubelet tries again either way.
const READY: Duration = Duration::from_secs(20);
/// The first wait between two looks, which doubles up to [`LONGEST`]. There is no event to wait for: inotify tells
/// nothing of a mount, and the directories above come into being meanwhile too. A look is two system calls.
const SHORTEST: Duration = Duration::from_millis(1);
/// The longest.
const LONGEST: Duration = Duration::from_millis(20);

/// Where a pod's env files go.
#[derive(Debug, Clone)]
pub struct EnvDirectory {
    pods: Arc<Pods>,
    target: Target,
}

impl EnvDirectory {
    /// That of the pod that this volume is of.
    #[must_use]
    pub fn of(pods: &Arc<Pods>, target: &Target) -> Self {
        Self {
            pods: Arc::clone(pods),
            target: target.clone(),
        }
    }

    /// Opens it, `O_PATH`, if kubelet is done with it: it is the root of a mounted file system in memory, and kubelet
    /// has said that it is ready (it changes ownership before it says so). Blocks, for microseconds. The descriptor
    /// keeps kubelet from unmounting it, so it is to be closed soon.
    ///
    /// # Errors
    /// If something that kubelet did not make is in the way.
    pub fn open(&self) -> Result<Option<OwnedFd>, NodeFillError> {
        self.look().map_err(NodeFillError::EnvDirectory)
    }

    fn look(&self) -> Result<Option<OwnedFd>, MountError> {
        // Both: the file alone survives a reboot, and the mount alone is not yet the pod's.
        if !self.pods.has(&self.target.env_ready())? {
            return Ok(None);
        }
        self.pods.memory(&self.target.env_directory())
    }

    /// Waits until it can be opened.
    ///
    /// # Errors
    /// [`NodeFillError::NoEnvDirectory`] after [`READY`].
    pub(super) async fn ready(&self) -> Result<(), NodeFillError> {
        let deadline = Instant::now().checked_add(READY);
        let mut wait = SHORTEST;
        loop {
            let this = self.clone();
            let looked = tokio::task::spawn_blocking(move || this.open().map(|found| found.is_some()));
            if looked.await.map_err(|_panicked| NodeFillError::Stopped)?? {
                return Ok(());
            }
            if deadline.is_none_or(|deadline| Instant::now() >= deadline) {
                return Err(NodeFillError::NoEnvDirectory);
            }
            sleep(wait).await;
            wait = wait.saturating_mul(2).min(LONGEST);
        }
    }
}
