//! What this kernel can, asked once at the start.

use rustix::io::Errno;

use super::detached::{Detached, Tmpfs};
use super::error::{KernelError, MountError};
use super::label::Label;
use super::staging::Staging;

/// How a file system comes to be before it is seen.
#[derive(Debug)]
pub enum MountApi {
    /// `fsopen` … `move_mount` (Linux 5.2): mounted nowhere until it is attached.
    Detached,
    /// `mount(2)`, for where the newer calls are missing or filtered: mounted out of sight, then moved.
    Staged(Staging),
}

/// What this kernel can.
#[derive(Debug)]
pub struct Kernel {
    /// How to mount.
    pub api: MountApi,
    /// Whether a file system can be kept out of swap.
    pub noswap: bool,
    /// The label that volumes are given, where SELinux is on.
    pub label: Label,
}

impl Kernel {
    /// Tries what it can. `staging` makes the hidden place that only `mount(2)` needs.
    ///
    /// # Errors
    /// [`KernelError::Mount`] if it can mount nothing.
    pub fn probe(staging: impl FnOnce() -> Result<Staging, MountError>) -> Result<Self, KernelError> {
        let label = Label::probe();
        // EPERM: a seccomp filter that does not know the call answers with it, and so does a process without
        // privilege; the latter is refused by mount(2) as well.
        let api = match rustix::mount::fsopen("tmpfs", rustix::mount::FsOpenFlags::FSOPEN_CLOEXEC) {
            Err(Errno::NOSYS | Errno::PERM) => MountApi::Staged(staging().map_err(KernelError::Mount)?),
            Err(errno) => return Err(KernelError::Mount(MountError::of("open tmpfs")(errno))),
            Ok(_context) => MountApi::Detached,
        };
        Self::with(api, label)
    }

    /// Tries what it can with this way of mounting.
    ///
    /// # Errors
    /// [`KernelError::Mount`] if it can mount nothing.
    pub fn with(api: MountApi, label: Label) -> Result<Self, KernelError> {
        let mut kernel = Self {
            api,
            noswap: true,
            label,
        };
        if kernel.try_out().is_err() {
            kernel.noswap = false;
            kernel.try_out().map_err(KernelError::Mount)?;
        }
        Ok(kernel)
    }

    /// Makes one that nobody sees, and lets go of it.
    fn try_out(&self) -> Result<(), MountError> {
        let probe = Tmpfs {
            source: "esi:probe".to_owned(),
            mode: 0o700,
            user: 0,
            group: 0,
        };
        Detached::make(self, &probe).map(drop)
    }

    /// Refuses a node on which volumes could be written to a disk.
    ///
    /// # Errors
    /// [`KernelError::Swap`] if there is swap that volumes cannot be kept out of.
    pub fn require_noswap(&self) -> Result<(), KernelError> {
        let swaps = std::fs::read_to_string("/proc/swaps");
        if self.noswap || !swaps.is_ok_and(|swaps| is_swap_on(&swaps)) {
            Ok(())
        } else {
            Err(KernelError::Swap)
        }
    }
}

/// `/proc/swaps` has one line of headings, and one for each area in use.
fn is_swap_on(swaps: &str) -> bool {
    swaps.lines().skip(1).any(|line| !line.trim().is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn swap_is_on_where_an_area_is_listed() {
        let heading = "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n";
        assert!(!is_swap_on(""));
        assert!(!is_swap_on(heading));
        assert!(is_swap_on(&format!(
            "{heading}/dev/vda2 partition 1048572 0 -2\n"
        )));
    }

    #[test]
    fn only_a_kernel_without_noswap_is_refused_for_its_swap() {
        let kernel = Kernel {
            api: MountApi::Detached,
            noswap: true,
            label: Label::OFF,
        };
        kernel.require_noswap().unwrap();
    }
}
