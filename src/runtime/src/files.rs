//! Small files written so that a reader sees all of one or nothing, and a crash leaves the same.
//!
//! A file is written under a temporary name in the same directory, synchronised, given its name in one step,
//! and the directory is synchronised. A crash in between leaves a dot-file that nothing reads.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

/// Certificates and keys are a few KiB; a chain with extras stays far below.
const MAX_BYTES: u64 = 1024 * 1024;

/// Gives `path` this content and these permission bits, whether it existed or not.
pub(crate) fn replace(path: &Path, content: &[u8], mode: u32) -> io::Result<()> {
    let temporary = Temporary::write(path, content, mode)?;
    fs::rename(&temporary.0, path)?;
    sync_directory(path)
}

/// Creates `path` with this content, unless it exists: `false` then. Of several who try, one succeeds.
pub(crate) fn create(path: &Path, content: &[u8], mode: u32) -> io::Result<bool> {
    let temporary = Temporary::write(path, content, mode)?;
    match fs::hard_link(&temporary.0, path) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(false),
        Err(error) => return Err(error),
    }
    sync_directory(path)?;
    Ok(true)
}

/// Creates the directory and what is above it, for its owner only. An existing one keeps its permissions:
/// the platform may have set them (a volume with a group).
pub(crate) fn private_directory(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Reads a file of at most 1 MiB.
///
/// # Errors
/// If it cannot be read, or is larger.
pub fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut content = Vec::new();
    File::open(path)?.take(MAX_BYTES + 1).read_to_end(&mut content)?;
    if content.len() as u64 > MAX_BYTES {
        return Err(io::Error::new(
            io::ErrorKind::FileTooLarge,
            "the file is larger than 1 MiB",
        ));
    }
    Ok(content)
}

/// A file that is removed when dropped, unless it was renamed.
struct Temporary(PathBuf);

impl Temporary {
    fn write(beside: &Path, content: &[u8], mode: u32) -> io::Result<Self> {
        // Random, not the process id: containers that share a volume all have id 1.
        let temporary = Self(beside.with_file_name(format!(".new-{}", uuid::Uuid::new_v4())));
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(mode)
            .open(&temporary.0)?;
        file.write_all(content)?;
        file.sync_all()?;
        Ok(temporary)
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        // Gone after a rename; and if it cannot be removed, nothing reads it.
        fs::remove_file(&self.0).unwrap_or_default();
    }
}

fn sync_directory(of: &Path) -> io::Result<()> {
    let parent = of
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    File::open(parent)?.sync_all()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_replaced_file_has_its_new_content_and_mode_and_nothing_is_left_beside_it() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("ca.pem");
        replace(&path, b"old", 0o644).unwrap();
        replace(&path, b"new", 0o600).unwrap();
        assert_eq!(read(&path).unwrap(), b"new");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    }

    #[test]
    fn only_the_first_creation_wins() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("key.pem");
        assert!(create(&path, b"first", 0o600).unwrap());
        assert!(!create(&path, b"second", 0o600).unwrap());
        assert_eq!(read(&path).unwrap(), b"first");
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_file_larger_than_the_bound_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("huge");
        File::create(&path).unwrap().set_len(MAX_BYTES + 1).unwrap();
        assert_eq!(read(&path).unwrap_err().kind(), io::ErrorKind::FileTooLarge);
    }
}
