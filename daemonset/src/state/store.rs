//! The directory of the records.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use esi_core::chain;
use rustix::fs::FlockOperation;
use rustix::io::Errno;
use tracing::warn;

use super::error::StateError;
use super::record::{Phase, Record, broken};
use crate::request::VolumeId;

/// Most bytes of a file that is read: a plan's 64 KiB with every byte escaped, and the rest.
const MAX_BYTES: u64 = 512 * 1024;

const SUFFIX: &str = ".json";
const TEMPORARY: &str = ".tmp";
const ASIDE: &str = ".broken";

/// The directory of the records, one file each. Every call blocks; for one volume there is one at a time.
#[derive(Debug)]
pub struct Store {
    path: PathBuf,
    /// To make names durable, and locked, so that no two daemons use it.
    directory: File,
}

impl Store {
    /// Opens the directory, and makes it where it is missing: 0700.
    ///
    /// # Errors
    /// [`StateError::Directory`], or [`StateError::InUse`].
    pub fn open(path: &Path) -> Result<Self, StateError> {
        let directory = fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(path)
            .and_then(|()| fs::set_permissions(path, Permissions::from_mode(0o700)))
            .and_then(|()| File::open(path))
            .map_err(StateError::Directory)?;
        match rustix::fs::flock(&directory, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(Errno::WOULDBLOCK) => return Err(StateError::InUse),
            Err(errno) => return Err(StateError::Directory(errno.into())),
        }
        Ok(Self {
            path: path.to_owned(),
            directory,
        })
    }

    /// All records. A file that is none is renamed to end in `.broken`, and logged; one of a newer daemon is left
    /// alone, and logged; what a crash left half written is removed.
    ///
    /// # Errors
    /// If the directory cannot be read.
    pub fn load(&self) -> Result<Vec<Record>, StateError> {
        let mut records = Vec::new();
        for entry in fs::read_dir(&self.path).map_err(StateError::Directory)? {
            let path = entry.map_err(StateError::Directory)?.path();
            let name = path
                .file_name()
                .and_then(|name| name.to_str())
                .unwrap_or_default();
            if name.ends_with(TEMPORARY) {
                remove(&path)?;
            } else if let Some(id) = name.strip_suffix(SUFFIX) {
                match read(&path, id) {
                    Ok(record) => records.push(record),
                    Err(error) => set_aside(&path, &error),
                }
            }
        }
        Ok(records)
    }

    /// Writes the first record of a volume, durable with its name. Written where it stays, since there is none before
    /// it to be kept: a file and its name are synced together then, where a rename afterwards costs another wait for
    /// the disk. Half of one is set aside at the next start, and announced nothing that was done.
    ///
    /// # Errors
    /// [`StateError::Full`] or [`StateError::Write`]; then there is none.
    pub fn add(&self, record: &Record) -> Result<(), StateError> {
        let path = self.file(&record.id);
        let added = write(&path, &record.to_json()).and_then(|()| self.directory.sync_all());
        added.map_err(|error| failed(&path, error))
    }

    /// Writes a record in place of the one before. After a power cut it is one or the other: nothing is shown any more
    /// then, and whether a pod is still there is asked of kubelet's directories. Before anything is issued it is
    /// this one.
    ///
    /// # Errors
    /// [`StateError::Full`] or [`StateError::Write`]; the one before is then unchanged.
    pub fn replace(&self, record: &Record) -> Result<(), StateError> {
        let temporary = self.path.join(format!("{}{TEMPORARY}", record.id));
        let replaced = write(&temporary, &record.to_json())
            .and_then(|()| fs::rename(&temporary, self.file(&record.id)))
            .and_then(|()| match record.phase {
                Phase::Publishing => self.directory.sync_all(),
                Phase::Ready | Phase::Releasing => Ok(()),
            });
        replaced.map_err(|error| failed(&temporary, error))
    }

    /// Forgets a volume. Not synced: a record that comes back after a power cut is released once more.
    ///
    /// # Errors
    /// [`StateError::Write`].
    pub fn delete(&self, id: &VolumeId) -> Result<(), StateError> {
        remove(&self.file(id))
    }

    fn file(&self, id: &VolumeId) -> PathBuf {
        self.path.join(format!("{id}{SUFFIX}"))
    }
}

/// What cannot be removed now is by the next start.
fn failed(half: &Path, error: io::Error) -> StateError {
    match remove(half) {
        Ok(()) | Err(_) => {}
    }
    StateError::write(error)
}

fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(bytes)?;
    file.sync_data()
}

fn read(path: &Path, id: &str) -> Result<Record, StateError> {
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(MAX_BYTES + 1).read_to_end(&mut bytes))
        .map_err(StateError::Read)?;
    if u64::try_from(bytes.len()).is_ok_and(|length| length > MAX_BYTES) {
        return Err(broken(io::Error::other("it is larger than any record")));
    }
    let record = Record::parse(&bytes)?;
    if record.id.as_str() == id {
        Ok(record)
    } else {
        Err(broken(io::Error::other(
            "it is the record of another volume than its name says",
        )))
    }
}

fn set_aside(path: &Path, error: &StateError) {
    let moved = match error {
        StateError::Newer { .. } => Ok(()),
        _ => {
            let mut aside = path.as_os_str().to_owned();
            aside.push(ASIDE);
            fs::rename(path, aside)
        }
    };
    warn!(
        file = %path.display(),
        error = %chain(error),
        set_aside = moved.is_ok(),
        "a record of a volume cannot be used; kubelet's next call for the volume makes a new one"
    );
}

fn remove(path: &Path) -> Result<(), StateError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(StateError::Write(error)),
        Ok(()) | Err(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt as _;

    use esi_core::Timestamp;

    use super::*;
    use crate::state::record::tests::record;

    fn store() -> (tempfile::TempDir, Store) {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(&directory.path().join("state")).unwrap();
        (directory, store)
    }

    #[test]
    fn what_was_saved_is_there_after_a_restart_and_only_for_root() {
        let (directory, store) = store();
        let record = record();
        store.add(&record).unwrap();
        for phase in [Phase::Publishing, Phase::Ready, Phase::Releasing] {
            store
                .replace(&record.clone().into_phase(phase, Timestamp::from_secs(8)))
                .unwrap();
        }
        let record = record.into_phase(Phase::Releasing, Timestamp::from_secs(9));
        store.replace(&record).unwrap();
        drop(store);
        let path = directory.path().join("state");
        let store = Store::open(&path).unwrap();
        assert_eq!(store.load().unwrap(), std::slice::from_ref(&record));
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, 0o700);
        assert_eq!(
            fs::metadata(store.file(&record.id)).unwrap().mode() & 0o7777,
            0o600
        );
        store.delete(&record.id).unwrap();
        store.delete(&record.id).unwrap();
        assert_eq!(store.load().unwrap(), []);
    }

    #[test]
    fn a_file_that_is_no_record_is_set_aside_and_the_others_are_read() {
        let (_directory, store) = store();
        store.add(&record()).unwrap();
        let other = format!("csi-{}.json", "00".repeat(32));
        for (name, content) in [
            ("x.json", "{}"),
            ("empty.json", ""),
            (
                other.as_str(),
                &fs::read_to_string(store.file(&record().id)).unwrap(),
            ),
            ("large.json", &"[".repeat(600 * 1024)),
        ] {
            fs::write(store.path.join(name), content).unwrap();
        }
        fs::create_dir(store.path.join("directory.json")).unwrap();
        fs::write(store.path.join("csi-0.tmp"), "half").unwrap();
        fs::write(store.path.join("unrelated"), "somebody's").unwrap();
        assert_eq!(store.load().unwrap(), [record()]);
        for name in ["x.json", "empty.json", &other, "large.json", "directory.json"] {
            assert!(!store.path.join(name).exists(), "{name}");
            assert!(store.path.join(format!("{name}.broken")).exists(), "{name}");
        }
        assert!(!store.path.join("csi-0.tmp").exists());
        assert!(store.path.join("unrelated").exists());
        assert_eq!(store.load().unwrap(), [record()]);
    }

    #[test]
    fn a_record_of_a_newer_daemon_is_left_to_it() {
        let (_directory, store) = store();
        fs::write(store.path.join("x.json"), r#"{"version":2}"#).unwrap();
        assert_eq!(store.load().unwrap(), []);
        assert!(store.path.join("x.json").exists());
    }

    #[test]
    fn a_second_daemon_is_refused() {
        let (_directory, store) = store();
        assert!(matches!(Store::open(&store.path), Err(StateError::InUse)));
    }
}
