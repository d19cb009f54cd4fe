//! The hidden place where `mount(2)` puts a file system until it is filled.
//!
//! A mount cannot be moved away from a shared parent, so the place is a mount of its own that is private: the
//! directory, bound onto itself.

use std::ffi::CString;
use std::fs;
use std::io;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::mount::{
    MountFlags, MountPropagationFlags, UnmountFlags, mount, mount_bind, mount_change, unmount,
};

use super::detached::Tmpfs;
use super::error::MountError;

/// The place. It is unmounted when nothing is in it any more.
#[derive(Debug, Clone)]
pub struct Staging(Arc<Private>);

#[derive(Debug)]
struct Private {
    path: PathBuf,
    next: AtomicU64,
}

impl Staging {
    /// Makes the directory `path` such a place, and clears what an earlier process left there.
    ///
    /// # Errors
    /// If it cannot be made, or the kernel refuses.
    pub fn open(path: &Path) -> Result<Self, MountError> {
        let failed = |source: io::Error| MountError {
            action: "make the place for volumes that are being filled",
            source,
        };
        let refused = |errno: Errno| failed(errno.into());
        // Everything that an earlier process left goes with its mount.
        while unmount(path, UnmountFlags::DETACH | UnmountFlags::NOFOLLOW).is_ok() {}
        match fs::remove_dir_all(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
            Ok(()) | Err(_) => {}
        }
        fs::DirBuilder::new().mode(0o700).create(path).map_err(failed)?;
        mount_bind(path, path).map_err(refused)?;
        let place = Self(Arc::new(Private {
            path: path.to_owned(),
            next: AtomicU64::new(0),
        }));
        mount_change(path, MountPropagationFlags::PRIVATE).map_err(refused)?;
        Ok(place)
    }

    pub(super) fn mount(&self, tmpfs: &Tmpfs, noswap: bool) -> Result<Staged, MountError> {
        let failed = MountError::of("mount a file system in memory");
        let number = self.0.next.fetch_add(1, Ordering::Relaxed);
        let path = self.0.path.join(number.to_string());
        rustix::fs::mkdir(&path, Mode::RWXU).map_err(failed)?;
        let point = Point {
            path,
            _place: self.clone(),
        };
        let mut options: Vec<String> = tmpfs
            .options()
            .map(|(option, value)| format!("{option}={value}"))
            .into();
        if noswap {
            options.push("noswap".to_owned());
        }
        // Numbers only, so there is no zero byte.
        let options = CString::new(options.join(",")).unwrap_or_default();
        let flags = MountFlags::NODEV | MountFlags::NOSUID | MountFlags::NOEXEC;
        let root = mount(
            tmpfs.source.as_str(),
            &point.path,
            "tmpfs",
            flags,
            options.as_c_str(),
        )
        .and_then(|()| {
            let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            rustix::fs::open(&point.path, flags, Mode::empty())
        })
        .map_err(failed)?;
        Ok(Staged { root, _point: point })
    }
}

impl Drop for Private {
    fn drop(&mut self) {
        detach(&self.path);
    }
}

/// A file system in the place. Dropping it lets go of it, wherever it was not moved away.
#[derive(Debug)]
pub(super) struct Staged {
    root: OwnedFd,
    _point: Point,
}

impl Staged {
    pub(super) fn root(&self) -> BorrowedFd<'_> {
        self.root.as_fd()
    }
}

#[derive(Debug)]
struct Point {
    path: PathBuf,
    _place: Staging,
}

impl Drop for Point {
    fn drop(&mut self) {
        detach(&self.path);
        match rustix::fs::rmdir(&self.path) {
            Ok(()) | Err(_) => {}
        }
    }
}

/// Unmounts what is mounted exactly there. What stays is cleared at the next start.
fn detach(path: &Path) {
    match unmount(path, UnmountFlags::DETACH | UnmountFlags::NOFOLLOW) {
        Ok(()) | Err(_) => {}
    }
}
