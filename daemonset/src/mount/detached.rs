//! A file system in memory that nobody sees yet.

use std::os::fd::{AsFd as _, AsRawFd as _, BorrowedFd, OwnedFd};

use esi_core::plan::limits;
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MoveMountFlags, fsconfig_create, fsconfig_set_flag,
    fsconfig_set_string, fsmount, fsopen, mount_move, move_mount,
};

use super::error::MountError;
use super::kernel::{Kernel, MountApi};
use super::place::Place;
use super::staging::Staged;

/// Most bytes of a volume: two generations of what can be rendered (4 MiB), since one is written while the other is
/// seen, and room to spare. A limit, not a reservation: memory is used as files are written.
const SIZE_BYTES: usize = 10 * 1024 * 1024;

/// Most files, directories and links of a volume, for the same two generations. A pod that may write to its volume
/// cannot make more either, so nobody ever walks a longer directory.
const INODES: usize = {
    // The variables of `esi-cli exec` are one file more.
    let files = limits::MAX_FILES + 1;
    let directories = files * (limits::MAX_PATH_COMPONENTS - 1) + 1;
    // The visible links; the root, the link to the generation, and the next one.
    2 * (files + directories) + files + 3
};

/// What a volume's file system is like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tmpfs {
    /// What the table of mounts shows as its source.
    pub source: String,
    /// Permissions of its root.
    pub mode: u32,
    /// Owner of its root.
    pub user: u32,
    /// Group of its root.
    pub group: u32,
}

impl Tmpfs {
    pub(super) fn options(&self) -> [(&'static str, String); 5] {
        [
            ("size", SIZE_BYTES.to_string()),
            ("nr_inodes", INODES.to_string()),
            ("mode", format!("{:o}", self.mode)),
            ("uid", self.user.to_string()),
            ("gid", self.group.to_string()),
        ]
    }
}

/// A file system that is made, and attached nowhere. Dropping it lets go of it.
#[derive(Debug)]
pub struct Detached(Way);

#[derive(Debug)]
enum Way {
    Descriptor(OwnedFd),
    Staged(Staged),
}

impl Detached {
    /// Makes one, as this kernel can.
    ///
    /// # Errors
    /// If the kernel refuses.
    pub fn make(kernel: &Kernel, tmpfs: &Tmpfs) -> Result<Self, MountError> {
        let way = match &kernel.api {
            MountApi::Detached => Way::Descriptor(open(tmpfs, kernel.noswap)?),
            MountApi::Staged(staging) => Way::Staged(staging.mount(tmpfs, kernel.noswap)?),
        };
        let made = Self(way);
        kernel.label.apply(made.root())?;
        Ok(made)
    }

    /// Its root, `O_PATH`.
    #[must_use]
    pub fn root(&self) -> BorrowedFd<'_> {
        match &self.0 {
            Way::Descriptor(root) => root.as_fd(),
            Way::Staged(staged) => staged.root(),
        }
    }

    /// Another descriptor of its root. It must be closed before anybody unmounts the volume.
    ///
    /// # Errors
    /// If there are too many open files.
    pub fn share(&self) -> Result<OwnedFd, MountError> {
        self.root().try_clone_to_owned().map_err(|source| MountError {
            action: "duplicate a descriptor",
            source,
        })
    }

    /// Shows it at `place`, whose mount point exists; everything that was written to it is seen at once.
    ///
    /// # Errors
    /// If the kernel refuses; nothing is seen then.
    pub fn attach(self, place: &Place) -> Result<(), MountError> {
        let point = place.mount_point()?;
        match self.0 {
            Way::Descriptor(root) => {
                let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
                move_mount(root, "", point, "", flags)
            }
            Way::Staged(staged) => mount_move(path_of(staged.root()), path_of(point.as_fd())),
        }
        .map_err(MountError::of("attach the volume"))
    }
}

fn open(tmpfs: &Tmpfs, noswap: bool) -> Result<OwnedFd, MountError> {
    let failed = MountError::of("make a file system in memory");
    let context = fsopen("tmpfs", FsOpenFlags::FSOPEN_CLOEXEC).map_err(failed)?;
    fsconfig_set_string(&context, "source", tmpfs.source.as_str()).map_err(failed)?;
    for (option, value) in tmpfs.options() {
        fsconfig_set_string(&context, option, value).map_err(failed)?;
    }
    if noswap {
        fsconfig_set_flag(&context, "noswap").map_err(failed)?;
    }
    fsconfig_create(&context).map_err(failed)?;
    let attributes = MountAttrFlags::MOUNT_ATTR_NODEV
        | MountAttrFlags::MOUNT_ATTR_NOSUID
        | MountAttrFlags::MOUNT_ATTR_NOEXEC;
    fsmount(&context, FsMountFlags::FSMOUNT_CLOEXEC, attributes).map_err(failed)
}

/// A path that leads to what the descriptor is open on, and to nothing else, for calls that take only paths.
pub(super) fn path_of(fd: BorrowedFd<'_>) -> String {
    format!("/proc/self/fd/{}", fd.as_raw_fd())
}
