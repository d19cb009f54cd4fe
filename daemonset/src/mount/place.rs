//! The place of a volume, found without following what anybody else may have put in the way.

use std::os::fd::{AsFd as _, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{
    AtFlags, FileType, Mode, OFlags, ResolveFlags, Statx, StatxAttributes, StatxFlags, fstatfs, mkdirat,
    openat, openat2, readlink, statx, unlinkat,
};
use rustix::io::Errno;
use rustix::mount::{UnmountFlags, unmount};

use super::detached::path_of;
use super::error::{KernelError, MountError};
use super::table::Table;
use crate::request::{KubeletRoot, Target};

/// Below kubelet's directory of pods nothing may lead away. Mounts are crossed: a pod's memory volumes are some.
const CONFINED: ResolveFlags = ResolveFlags::BENEATH
    .union(ResolveFlags::NO_SYMLINKS)
    .union(ResolveFlags::NO_MAGICLINKS);

const DIRECTORY: OFlags = OFlags::PATH
    .union(OFlags::DIRECTORY)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC);

/// `TMPFS_MAGIC` of linux/magic.h.
const TMPFS_MAGIC: u64 = 0x0102_1994;

/// Mounts on one place that are taken off in one go. There is one, unless somebody else stacked some.
const MAX_STACKED: usize = 64;

/// kubelet's directory of pods, open.
#[derive(Debug)]
pub struct Pods(OwnedFd);

impl Pods {
    /// Opens `<kubelet root>/pods`. The operator vouches for that path.
    ///
    /// # Errors
    /// [`KernelError::Pods`] if it is not there.
    pub fn open(root: &KubeletRoot) -> Result<Self, KernelError> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        rustix::fs::open(root.pods(), flags, Mode::empty())
            .map(Self)
            .map_err(|errno| KernelError::Pods(MountError::of("open kubelet's directory of pods")(errno)))
    }

    /// Refuses a place from which kubelet would not see what is mounted.
    ///
    /// # Errors
    /// [`KernelError::NotShared`] if so.
    pub fn require_shared(&self) -> Result<(), KernelError> {
        let stat = statx(&self.0, "", AtFlags::EMPTY_PATH, StatxFlags::MNT_ID).map_err(|errno| {
            KernelError::Pods(MountError::of("look at kubelet's directory of pods")(errno))
        })?;
        let table = Table::read().map_err(KernelError::Table)?;
        match table.get(stat.stx_mnt_id) {
            Some(entry) if entry.shared => Ok(()),
            Some(_) | None => Err(KernelError::NotShared),
        }
    }

    /// Its path as the table of mounts writes it: without the links that the operator's path may have.
    ///
    /// # Errors
    /// If the system does not say.
    pub fn path(&self) -> Result<PathBuf, MountError> {
        use std::os::unix::ffi::OsStringExt as _;
        readlink(path_of(self.0.as_fd()), Vec::new())
            .map(|path| std::ffi::OsString::from_vec(path.into_bytes()).into())
            .map_err(MountError::of("find the path of kubelet's directory of pods"))
    }

    /// Opens a directory below, `O_PATH`, without following anything.
    ///
    /// # Errors
    /// If it is not there, or a link or a file is in the way.
    pub fn directory(&self, path: &Path) -> Result<OwnedFd, MountError> {
        openat2(&self.0, path, DIRECTORY, Mode::empty(), CONFINED)
            .map_err(MountError::of("open kubelet's directory of the volume"))
    }

    /// Whether anything is there, without following anything.
    ///
    /// # Errors
    /// If that cannot be told.
    pub fn has(&self, path: &Path) -> Result<bool, MountError> {
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        match openat2(&self.0, path, flags, Mode::empty(), CONFINED) {
            Ok(_there) => Ok(true),
            Err(Errno::NOENT) => Ok(false),
            Err(errno) => Err(MountError::of("look into a directory of kubelet")(errno)),
        }
    }

    /// The root of the file system in memory that is mounted there, `O_PATH`; none where there is none, or not yet.
    ///
    /// # Errors
    /// If a link or a file is in the way, or the system does not say.
    pub fn memory(&self, path: &Path) -> Result<Option<OwnedFd>, MountError> {
        let failed = MountError::of("look at a memory volume of the pod");
        let root = match self.directory(path) {
            Err(error) if error.is_absent() => return Ok(None),
            root => root?,
        };
        let stat = statx(&root, "", AtFlags::EMPTY_PATH, StatxFlags::TYPE).map_err(failed)?;
        let kind = fstatfs(&root).map_err(failed)?.f_type;
        let found = is_root(&stat) && u64::try_from(kind) == Ok(TMPFS_MAGIC);
        Ok(found.then_some(root))
    }

    /// The place of a volume, whose parent kubelet has made.
    ///
    /// # Errors
    /// If the parent is not there, or a link or a file is in the way.
    pub fn place(&self, target: &Target) -> Result<Place, MountError> {
        self.directory(&target.parent()).map(Place)
    }

    /// Whether kubelet still has a directory for the volume.
    ///
    /// # Errors
    /// If that cannot be told.
    pub fn knows(&self, target: &Target) -> Result<bool, MountError> {
        match self.place(target) {
            Ok(_place) => Ok(true),
            Err(error) if error.is_absent() => Ok(false),
            Err(error) => Err(error),
        }
    }
}

/// What is at a place.
#[derive(Debug)]
pub enum Seen {
    /// Nothing.
    Absent,
    /// A mount point on which nothing is mounted.
    Bare,
    /// A file system in memory: its root, `O_PATH`. It must be closed before it is unmounted.
    Volume(OwnedFd),
    /// Something else.
    Foreign,
}

/// The place of a volume: its parent's descriptor.
#[derive(Debug)]
pub struct Place(OwnedFd);

impl Place {
    /// Looks what is there.
    ///
    /// # Errors
    /// If the system does not say.
    pub fn look(&self) -> Result<Seen, MountError> {
        let failed = MountError::of("look at the volume's place");
        let Some(stat) = self.stat().map_err(failed)? else {
            return Ok(Seen::Absent);
        };
        if FileType::from_raw_mode(stat.stx_mode.into()) != FileType::Directory {
            return Ok(Seen::Foreign);
        }
        if !is_root(&stat) {
            return Ok(if self.is_empty().map_err(failed)? {
                Seen::Bare
            } else {
                Seen::Foreign
            });
        }
        let root = self.mount_point()?;
        let kind = fstatfs(&root).map_err(failed)?.f_type;
        Ok(if u64::try_from(kind) == Ok(TMPFS_MAGIC) {
            Seen::Volume(root)
        } else {
            Seen::Foreign
        })
    }

    /// Makes the mount point, if it is not there.
    ///
    /// # Errors
    /// If it cannot be made.
    pub fn make(&self) -> Result<(), MountError> {
        match mkdirat(&self.0, Target::MOUNT, Mode::RWXU) {
            Ok(()) | Err(Errno::EXIST) => Ok(()),
            Err(errno) => Err(MountError::of("make the mount point")(errno)),
        }
    }

    /// Opens the mount point, or the root of what is mounted there, `O_PATH`.
    pub(super) fn mount_point(&self) -> Result<OwnedFd, MountError> {
        openat(&self.0, Target::MOUNT, DIRECTORY, Mode::empty())
            .map_err(MountError::of("open the mount point"))
    }

    /// Unmounts whatever is mounted there, and says whether anything was. What is in use is detached: nobody finds it
    /// any more, and it ends with its last user.
    ///
    /// # Errors
    /// If the kernel refuses.
    pub fn unmount(&self) -> Result<bool, MountError> {
        let failed = MountError::of("unmount the volume");
        // The parent is kubelet's own: nobody else can put another name there between these steps.
        let path = format!("{}/{}", path_of(self.0.as_fd()), Target::MOUNT);
        for taken in 0..MAX_STACKED {
            if !self.stat().map_err(failed)?.is_some_and(|stat| is_root(&stat)) {
                return Ok(taken > 0);
            }
            match unmount(path.as_str(), UnmountFlags::NOFOLLOW) {
                Err(Errno::BUSY) => unmount(path.as_str(), UnmountFlags::NOFOLLOW | UnmountFlags::DETACH),
                done => done,
            }
            .map_err(failed)?;
        }
        Err(failed(Errno::BUSY))
    }

    /// Removes the mount point, if it is there.
    ///
    /// # Errors
    /// If it is not empty, or something is mounted there.
    pub fn remove(&self) -> Result<(), MountError> {
        match unlinkat(&self.0, Target::MOUNT, AtFlags::REMOVEDIR) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(errno) => Err(MountError::of("remove the mount point")(errno)),
        }
    }

    /// Whether kubelet keeps a record of the volume there, by which it will unpublish it.
    ///
    /// # Errors
    /// If that cannot be told.
    pub fn is_kept(&self) -> Result<bool, MountError> {
        match statx(
            &self.0,
            "vol_data.json",
            AtFlags::SYMLINK_NOFOLLOW,
            StatxFlags::TYPE,
        ) {
            Ok(_stat) => Ok(true),
            Err(Errno::NOENT) => Ok(false),
            Err(errno) => Err(MountError::of("look for kubelet's record of the volume")(errno)),
        }
    }

    fn stat(&self) -> rustix::io::Result<Option<Statx>> {
        let flags = AtFlags::SYMLINK_NOFOLLOW | AtFlags::NO_AUTOMOUNT;
        match statx(&self.0, Target::MOUNT, flags, StatxFlags::TYPE) {
            Ok(stat) => Ok(Some(stat)),
            Err(Errno::NOENT) => Ok(None),
            Err(errno) => Err(errno),
        }
    }

    /// Whether nothing is in the mount point: what is would be hidden by a mount, and keep it from being removed.
    fn is_empty(&self) -> rustix::io::Result<bool> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let directory = openat(&self.0, Target::MOUNT, flags, Mode::empty())?;
        for entry in rustix::fs::Dir::new(directory)? {
            let entry = entry?;
            if entry.file_name() != c"." && entry.file_name() != c".." {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

fn is_root(stat: &Statx) -> bool {
    stat.stx_attributes.contains(StatxAttributes::MOUNT_ROOT)
}
