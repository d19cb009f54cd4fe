//! A volume and its generations.

mod name;
mod stage;

use std::collections::BTreeSet;
use std::ffi::CStr;
use std::os::fd::OwnedFd;
use std::path::Path;

use esi_core::plan::{FileMode, RelativePath};
use esi_core::{Generation, SecretBytes};
use rustix::io::Errno;

use crate::directory::Directory;
use crate::error::{DeliveryError, Load};

/// The link to the generation that readers see.
const DATA: &str = "..data";
/// The link to the next one, renamed onto [`DATA`].
const DATA_TMP: &str = "..data_tmp";

/// A directory that generations are delivered into.
#[derive(Debug)]
pub struct Volume {
    directory: Directory,
}

/// One file of a generation.
#[derive(Debug, Clone, Copy)]
pub struct File<'a> {
    /// Where, below the volume.
    pub path: &'a RelativePath,
    /// Its permissions, which no umask changes.
    pub mode: FileMode,
    /// Its bytes.
    pub content: &'a SecretBytes,
}

impl Volume {
    /// Opens the directory at `path`. The caller vouches for the components before the last one: they are
    /// resolved as usual. The last may not be a symbolic link.
    ///
    /// # Errors
    /// [`DeliveryError::Open`] if there is no such directory.
    pub fn open(path: &Path) -> Result<Self, DeliveryError> {
        let directory = Directory::open(path).map_err(|errno| DeliveryError::Open(errno.into()))?;
        Ok(Self { directory })
    }

    /// The directory behind `fd`: for callers that found it without trusting a path. `O_PATH` will do.
    #[must_use]
    pub fn from_fd(fd: OwnedFd) -> Self {
        Self {
            directory: Directory::from_fd(fd),
        }
    }

    /// Refuses a volume that files of these paths could not be written to, before there is anything to write: it must
    /// be writable, with room for another directory, and the names free. Leaves nothing behind.
    ///
    /// # Errors
    /// Those of [`Volume::write`].
    pub fn check<'a>(&self, paths: impl IntoIterator<Item = &'a RelativePath>) -> Result<(), DeliveryError> {
        let visible: BTreeSet<&str> = paths
            .into_iter()
            .filter_map(|path| path.components().next())
            .collect();
        let load = Load {
            bytes: 0,
            files: visible.len(),
        };
        self.refuse_occupied(&visible, load)?;
        // Trying is the one question whose answer is true of every file system. A crash in between leaves a name that
        // the next write sweeps.
        let probe = name::new(Generation::new(0)).map_err(|errno| load.failed("choose a name", errno))?;
        self.directory
            .make(probe.as_str())
            .and_then(|()| self.directory.remove(probe.as_str()))
            .map_err(|errno| load.failed("make a directory", errno))
    }

    /// Makes `files` what readers see, all at once, in place of whatever generation they saw before. Writing
    /// the same generation twice is as good as once. Directories can be entered by the group, and by others
    /// where a file lets others read.
    ///
    /// # Errors
    /// See [`DeliveryError`]; readers then still see the older generation, whole.
    pub fn write(&self, generation: Generation, files: &[File<'_>]) -> Result<(), DeliveryError> {
        let load = Load {
            bytes: files.iter().map(|file| file.content.len()).sum(),
            files: files.len(),
        };
        refuse_collisions(files)?;
        let visible: BTreeSet<&str> = files
            .iter()
            .filter_map(|file| file.path.components().next())
            .collect();
        self.refuse_occupied(&visible, load)?;
        // What a crash left would count against the space of this generation.
        self.sweep();
        let staged = stage::stage(&self.directory, generation, files, load)?;
        let shown = self
            .show(&visible, load)
            .and_then(|added| self.swap(&staged, load).inspect_err(|_error| self.hide(&added)));
        if let Err(error) = shown {
            self.directory.discard(&staged);
            return Err(error);
        }
        self.hide_stale(&visible);
        self.sweep();
        Ok(())
    }

    /// The generation that readers see, as the volume says. Where a pod may write to the volume, it may have
    /// made that up: a hint, not a proof.
    ///
    /// # Errors
    /// If the volume cannot be read.
    pub fn current(&self) -> Result<Option<Generation>, DeliveryError> {
        let failed = |errno| Load { bytes: 0, files: 0 }.failed("read", errno);
        let target = match self.directory.target(DATA) {
            Ok(target) => target,
            Err(Errno::NOENT | Errno::INVAL) => return Ok(None),
            Err(errno) => return Err(failed(errno)),
        };
        // They are counted from 1; 0 is for names that nobody is to see. What a pod made up must not reach a server that
        // refuses it, and with it all that is said in the same call.
        let generation = name::parse(&target).filter(|generation| generation.number() > 0);
        let Some(generation) = generation else {
            return Ok(None);
        };
        match self.directory.check_child(target.as_c_str()) {
            Ok(()) => Ok(Some(generation)),
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::XDEV) => Ok(None),
            Err(errno) => Err(failed(errno)),
        }
    }

    pub(crate) fn directory(&self) -> &Directory {
        &self.directory
    }

    /// Refuses names under which something is that we did not put there.
    fn refuse_occupied(&self, visible: &BTreeSet<&str>, load: Load) -> Result<(), DeliveryError> {
        for &name in visible {
            match self.directory.target(name) {
                Err(Errno::NOENT) => {}
                Ok(target) if is_ours(name.as_bytes(), &target) => {}
                Ok(_) | Err(Errno::INVAL) => return Err(occupied(name)),
                Err(errno) => return Err(load.failed("read a link", errno)),
            }
        }
        Ok(())
    }

    /// Adds the visible names that are missing, and says which. They lead nowhere until the first swap; this
    /// comes before it because it may still fail.
    fn show<'a>(&self, visible: &BTreeSet<&'a str>, load: Load) -> Result<Vec<&'a str>, DeliveryError> {
        let mut added = Vec::new();
        for &name in visible {
            match self.directory.link(&format!("{DATA}/{name}"), name) {
                Ok(()) => added.push(name),
                Err(Errno::EXIST) if self.owns(name.as_bytes(), name) => {}
                Err(errno) => {
                    self.hide(&added);
                    return Err(match errno {
                        Errno::EXIST => occupied(name),
                        errno => load.failed("make a link", errno),
                    });
                }
            }
        }
        Ok(added)
    }

    /// The one step that readers see.
    fn swap(&self, staged: &str, load: Load) -> Result<(), DeliveryError> {
        let failed = |errno| load.failed("swap generations", errno);
        self.directory.link(staged, DATA_TMP).map_err(failed)?;
        let renamed = match self.directory.rename(DATA_TMP, DATA) {
            // Somebody put a directory in the link's place: out of the way with it, under a name that is swept.
            Err(Errno::ISDIR | Errno::EXIST | Errno::NOTEMPTY) => name::new(Generation::new(0))
                .and_then(|aside| self.directory.rename(DATA, &aside))
                .and_then(|()| self.directory.rename(DATA_TMP, DATA)),
            done => done,
        };
        renamed.map_err(|errno| {
            self.directory.discard(DATA_TMP);
            failed(errno)
        })
    }

    /// Removes our links to names that this generation does not have.
    fn hide_stale(&self, visible: &BTreeSet<&str>) {
        for entry in self.directory.entries().unwrap_or_default() {
            let stale = entry.to_str().is_ok_and(|name| !visible.contains(name));
            if stale && self.owns(entry.as_bytes(), entry.as_c_str()) {
                self.directory.discard(entry.as_c_str());
            }
        }
    }

    fn hide(&self, names: &[&str]) {
        for &name in names {
            self.directory.discard(name);
        }
    }

    /// Removes what is ours and not seen by readers: older generations, and what a crash left. What cannot be
    /// removed is tried again at the next write: it holds a superseded credential, in the pod's own memory.
    fn sweep(&self) {
        let current = match self.directory.target(DATA) {
            Ok(target) => Some(target),
            Err(Errno::NOENT | Errno::INVAL) => None,
            Err(_unknown) => return,
        };
        for entry in self.directory.entries().unwrap_or_default() {
            let ours = entry.as_bytes() == DATA_TMP.as_bytes() || name::parse(&entry).is_some();
            if ours && current.as_ref() != Some(&entry) {
                self.directory.discard(entry.as_c_str());
            }
        }
    }

    /// Whether `name` is a link that we made.
    fn owns(&self, name: &[u8], path: impl rustix::path::Arg) -> bool {
        self.directory
            .target(path)
            .is_ok_and(|target| is_ours(name, &target))
    }
}

fn is_ours(name: &[u8], target: &CStr) -> bool {
    target
        .to_bytes()
        .strip_prefix(DATA.as_bytes())
        .and_then(|rest| rest.strip_prefix(b"/"))
        == Some(name)
}

fn occupied(name: &str) -> DeliveryError {
    DeliveryError::Occupied {
        name: name.to_owned(),
    }
}

fn refuse_collisions(files: &[File<'_>]) -> Result<(), DeliveryError> {
    for (index, file) in files.iter().enumerate() {
        if let Some(other) = files
            .iter()
            .take(index)
            .find(|other| other.path.collides_with(file.path))
        {
            return Err(DeliveryError::Collision {
                first: other.path.to_string(),
                second: file.path.to_string(),
            });
        }
    }
    Ok(())
}
