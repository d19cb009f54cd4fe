//! SELinux.

use std::os::fd::AsFd;
use std::path::Path;

use rustix::fs::{Mode, OFlags, XattrFlags, fsetxattr, openat};

use super::error::MountError;

const ATTRIBUTE: &str = "security.selinux";
/// What containers may read and write. Without categories, so that a container of any may; who gets at the volume at
/// all is decided by the mount. kubelet has only the volumes relabelled that pods may write to, and narrows those to
/// the pod's own categories.
const CONTAINER_FILE: &[u8] = b"system_u:object_r:container_file_t:s0\0";
/// Where SELinux shows itself.
const SELINUXFS: &str = "/sys/fs/selinux/enforce";

/// Whether volumes are labelled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Label(bool);

impl Label {
    /// SELinux is on.
    pub const ON: Self = Self(true);
    /// It is not.
    pub const OFF: Self = Self(false);

    /// Looks whether SELinux is on.
    #[must_use]
    pub fn probe() -> Self {
        Self(Path::new(SELINUXFS).exists())
    }

    /// Labels a directory; what is made in it afterwards inherits its type.
    pub(super) fn apply(self, root: impl AsFd) -> Result<(), MountError> {
        if self == Self::OFF {
            return Ok(());
        }
        // The root's descriptor is `O_PATH`, which has no attributes.
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        openat(root, ".", flags, Mode::empty())
            .and_then(|directory| fsetxattr(directory, ATTRIBUTE, CONTAINER_FILE, XattrFlags::empty()))
            .map_err(MountError::of("label the volume for SELinux"))
    }
}
