//! Builders and readers that the tests of delivery share.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use esi_core::plan::{FileMode, RelativePath};
use esi_core::{Generation, SecretBytes};
use esi_delivery::{DeliveryError, File, Volume};
use rustix::fs::{Mode, OFlags, openat};
use tempfile::TempDir;

pub(crate) fn volume() -> (TempDir, Volume) {
    let directory = tempfile::tempdir().unwrap();
    let volume = Volume::open(directory.path()).unwrap();
    (directory, volume)
}

/// Builds the files of a generation.
#[derive(Default)]
pub(crate) struct Content(Vec<(RelativePath, FileMode, SecretBytes)>);

impl Content {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    pub(crate) fn file(mut self, path: &str, mode: &str, content: &str) -> Self {
        self.0
            .push((path.parse().unwrap(), mode.parse().unwrap(), content.into()));
        self
    }

    pub(crate) fn write(&self, volume: &Volume, generation: u64) -> Result<(), DeliveryError> {
        let files: Vec<File<'_>> = self
            .0
            .iter()
            .map(|(path, mode, content)| File {
                path,
                mode: *mode,
                content,
            })
            .collect();
        volume.write(Generation::new(generation), &files)
    }
}

pub(crate) fn names(directory: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// Everything below `directory` that can be compared: kind and mode, and content or target.
pub(crate) fn snapshot(directory: &Path) -> BTreeMap<PathBuf, (u32, OsString)> {
    let mut tree = BTreeMap::new();
    let mut open = vec![directory.to_owned()];
    while let Some(path) = open.pop() {
        let metadata = fs::symlink_metadata(&path).unwrap();
        let content = if metadata.is_dir() {
            open.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
            OsString::new()
        } else if metadata.is_symlink() {
            fs::read_link(&path).unwrap().into_os_string()
        } else if metadata.is_file() {
            let bytes = fs::read(&path).unwrap();
            std::os::unix::ffi::OsStringExt::from_vec(bytes)
        } else {
            OsString::new()
        };
        tree.insert(path, (metadata.mode(), content));
    }
    tree
}

/// Reads two files of one generation, as a careful program does: `..data` resolved once. None where the
/// generation went away in between.
pub(crate) fn read_whole(directory: &Path, paths: [&str; 2]) -> Option<Vec<u8>> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    let data = directory.join("..data");
    let data: OwnedFd = rustix::fs::open(data, flags | OFlags::DIRECTORY, Mode::empty()).ok()?;
    let [one, other] = paths.map(|path| {
        let file = openat(&data, path, flags, Mode::empty()).ok()?;
        let mut bytes = Vec::new();
        std::io::Read::read_to_end(&mut fs::File::from(file), &mut bytes).unwrap();
        Some(bytes)
    });
    let (one, other) = (one?, other?);
    assert_eq!(one, other, "a mix of two generations");
    Some(one)
}
