//! Why nothing is mounted.

use std::io;

use rustix::io::Errno;
use thiserror::Error;

/// A system call on the mount table, or on the way to it, that failed.
#[derive(Debug, Error)]
#[error("the system failed to {action}")]
pub struct MountError {
    /// What was being done.
    pub action: &'static str,
    /// What the system said.
    #[source]
    pub source: io::Error,
}

impl MountError {
    pub(super) fn of(action: &'static str) -> impl Fn(Errno) -> Self + Copy {
        move |errno| Self {
            action,
            source: errno.into(),
        }
    }

    /// Whether the thing is not there.
    #[must_use]
    pub fn is_absent(&self) -> bool {
        self.source.kind() == io::ErrorKind::NotFound
    }
}

/// Why the daemon does not start: its surroundings are not what it needs.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum KernelError {
    /// kubelet's directory of pods cannot be used.
    #[error(
        "kubelet's directory of pods cannot be opened: mount `<kubelet root>/pods` of the host at the same path"
    )]
    Pods(#[source] MountError),
    /// What is mounted here would not be seen by kubelet, and pods would see empty directories on the node's disk.
    #[error(
        "the mount that holds kubelet's pods is not shared, so no pod would see its volumes: set `mountPropagation: Bidirectional` on the daemon's volume mount of `<kubelet root>/pods`, and on the host run `mount --make-rshared /` if its root is not shared"
    )]
    NotShared,
    /// The kernel did not say what is mounted.
    #[error("the table of mounts cannot be read")]
    Table(#[source] io::Error),
    /// Neither way of mounting works.
    #[error("no file system in memory can be mounted: the daemon must run privileged, on Linux 5.8 or newer")]
    Mount(#[source] MountError),
    /// Memory of volumes could be written to a disk, and the operator does not want that.
    #[error(
        "swap is on, and this kernel cannot keep volumes out of it (`noswap` came with Linux 6.3): turn swap off, or start without `--require-noswap`"
    )]
    Swap,
}
