//! One open directory, and everything that may be done below it: one component at a time, no link followed.

use std::ffi::CString;
use std::io::Write as _;
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{self, AtFlags, Dir, Mode, OFlags, ResolveFlags};
use rustix::io::{Errno, Result};
use rustix::path::Arg;
use rustix::rand::{GetRandomFlags, getrandom};

/// What every open below a volume keeps to: stay below, follow nothing, stay on the mount.
const CONFINED: ResolveFlags = ResolveFlags::BENEATH
    .union(ResolveFlags::NO_SYMLINKS)
    .union(ResolveFlags::NO_MAGICLINKS)
    .union(ResolveFlags::NO_XDEV);

const DIRECTORY: OFlags = OFlags::DIRECTORY.union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// Entries of one directory that are looked at. A generation has at most 64 files; more than this is a pod
/// filling its own volume.
const MAX_ENTRIES: usize = 4096;

/// Depth to which a tree is removed: that of a generation, and some to spare. A deeper one is a pod's own.
const MAX_DEPTH: usize = 16;

/// An open directory. A descriptor opened with `O_PATH` will do.
#[derive(Debug)]
pub(crate) struct Directory(OwnedFd);

impl Directory {
    /// Opens `path`, whose last component may not be a symbolic link.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        fs::open(path, DIRECTORY | OFlags::PATH, Mode::empty()).map(Self)
    }

    pub(crate) fn from_fd(fd: OwnedFd) -> Self {
        Self(fd)
    }

    /// Opens a directory in this one.
    pub(crate) fn child(&self, name: impl Arg + Copy) -> Result<Self> {
        self.openat2(name, DIRECTORY, Mode::empty()).map(Self)
    }

    /// Whether [`Directory::child`] would find a directory; it need not be readable.
    pub(crate) fn check_child(&self, name: impl Arg + Copy) -> Result<()> {
        self.openat2(name, DIRECTORY | OFlags::PATH, Mode::empty())
            .map(drop)
    }

    /// Makes a directory that only its owner may enter. It inherits the group of a set-group-id parent.
    pub(crate) fn make(&self, name: impl Arg) -> Result<()> {
        fs::mkdirat(&self.0, name, Mode::RWXU)
    }

    /// Gives this directory these permissions, and keeps its set-group-id bit.
    pub(crate) fn permit(&self, bits: u32) -> Result<()> {
        let inherited = Mode::from_raw_mode(fs::fstat(&self.0)?.st_mode) & Mode::SGID;
        fs::fchmod(&self.0, Mode::from_raw_mode(bits) | inherited)
    }

    /// Makes a file with exactly these permissions; nothing may have its name.
    pub(crate) fn create(&self, name: &str, bits: u32, content: &[u8]) -> Result<()> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mut file = std::fs::File::from(self.openat2(name, flags, Mode::RUSR | Mode::WUSR)?);
        file.write_all(content)
            .map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))?;
        // Not at the open, where the umask would take some away.
        fs::fchmod(&file, Mode::from_raw_mode(bits))
    }

    pub(crate) fn link(&self, target: &str, name: &str) -> Result<()> {
        fs::symlinkat(target, &self.0, name)
    }

    /// The target of a symbolic link; `EINVAL` where `name` is something else.
    pub(crate) fn target(&self, name: impl Arg) -> Result<CString> {
        fs::readlinkat(&self.0, name, Vec::new())
    }

    pub(crate) fn rename(&self, from: &str, to: &str) -> Result<()> {
        fs::renameat(&self.0, from, &self.0, to)
    }

    /// Removes anything but a directory; a symbolic link itself, not what it points to.
    pub(crate) fn unlink(&self, name: impl Arg) -> Result<()> {
        fs::unlinkat(&self.0, name, AtFlags::empty())
    }

    /// Names in this directory, at most [`MAX_ENTRIES`].
    pub(crate) fn entries(&self) -> Result<Vec<CString>> {
        let mut names = Vec::new();
        // A descriptor of its own, since reading moves the offset and this one may be `O_PATH`.
        let fd = self.openat2(c".", DIRECTORY, Mode::empty())?;
        for entry in Dir::new(fd)?.take(MAX_ENTRIES) {
            let entry = entry?;
            let name = entry.file_name();
            if name != c"." && name != c".." {
                names.push(name.to_owned());
            }
        }
        Ok(names)
    }

    /// Removes `name` and, where it is a directory, all below it within [`MAX_DEPTH`] and [`MAX_ENTRIES`].
    pub(crate) fn remove(&self, name: impl Arg + Copy) -> Result<()> {
        self.remove_within(name, MAX_DEPTH)
    }

    /// Removes litter, as [`Directory::remove`] does. What stays is harmless, and the next write tries again.
    pub(crate) fn discard(&self, name: impl Arg + Copy) {
        match self.remove(name) {
            Ok(()) | Err(_) => {}
        }
    }

    fn remove_within(&self, name: impl Arg + Copy, depth: usize) -> Result<()> {
        match self.unlink(name) {
            // POSIX says EPERM for a directory, Linux EISDIR.
            Err(Errno::ISDIR | Errno::PERM) if depth > 0 => {}
            done => return done,
        }
        let child = self.child(name)?;
        for entry in child.entries()? {
            child.remove_within(entry.as_c_str(), depth.saturating_sub(1))?;
        }
        fs::unlinkat(&self.0, name, AtFlags::REMOVEDIR)
    }

    fn openat2(&self, name: impl Arg + Copy, flags: OFlags, mode: Mode) -> Result<OwnedFd> {
        fs::openat2(&self.0, name, flags, mode, CONFINED)
    }
}

/// 16 hexadecimal digits that nobody can have guessed.
pub(crate) fn random_suffix() -> Result<String> {
    let mut bytes = [0_u8; 8];
    getrandom(&mut bytes, GetRandomFlags::empty())?;
    Ok(format!("{:016x}", u64::from_ne_bytes(bytes)))
}

/// Whether `text` is what [`random_suffix`] makes.
pub(crate) fn is_random_suffix(text: &str) -> bool {
    text.len() == 16
        && text
            .bytes()
            .all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    /// A directory beside `outside`, with links to it.
    fn beside_outside() -> (tempfile::TempDir, Directory) {
        let root = tempfile::tempdir().unwrap();
        let volume = root.path().join("volume");
        std::fs::create_dir_all(root.path().join("outside/in")).unwrap();
        std::fs::create_dir(&volume).unwrap();
        std::fs::write(root.path().join("outside/precious"), "precious").unwrap();
        symlink("../outside", volume.join("relative")).unwrap();
        symlink(root.path().join("outside"), volume.join("absolute")).unwrap();
        symlink("/proc/self/cwd", volume.join("magic")).unwrap();
        let directory = Directory::open(&volume).unwrap();
        (root, directory)
    }

    #[test]
    fn a_link_is_not_entered_and_the_parent_is_not_reached() {
        let (_root, directory) = beside_outside();
        for name in [
            "relative",
            "absolute",
            "magic",
            "relative/in",
            "..",
            "../outside",
            "/",
        ] {
            let error = directory.child(name).unwrap_err();
            assert!(
                matches!(error, Errno::LOOP | Errno::XDEV | Errno::NOTDIR),
                "{name}: {error}"
            );
            assert!(directory.check_child(name).is_err(), "{name}");
        }
    }

    #[test]
    fn a_file_is_not_made_through_a_link_or_above() {
        let (root, directory) = beside_outside();
        symlink("../outside/new", root.path().join("volume/dangling")).unwrap();
        for name in [
            "relative/new",
            "absolute/precious",
            "../outside/new",
            "dangling",
            "relative",
        ] {
            assert!(directory.create(name, 0o600, b"x").is_err(), "{name}");
        }
        assert!(!root.path().join("outside/new").exists());
        assert_eq!(
            std::fs::read(root.path().join("outside/precious")).unwrap(),
            b"precious"
        );
    }

    #[test]
    fn a_directory_that_turns_into_a_link_while_it_is_removed_is_not_followed() {
        let (root, directory) = beside_outside();
        // What `remove` does once a name has proved to be no file, had it become a link since.
        assert!(
            directory
                .child("relative")
                .and_then(|child| child.remove(c"precious"))
                .is_err()
        );
        directory.remove(c"relative").unwrap();
        assert_eq!(
            std::fs::read(root.path().join("outside/precious")).unwrap(),
            b"precious"
        );
    }
}
