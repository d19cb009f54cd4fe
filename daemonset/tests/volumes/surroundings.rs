//! Everything that is none of a volume's business, to be compared.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStringExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// Kind, mode, owner, and content or target of all below `directory`, which is not entered where a path is left out.
pub(crate) fn snapshot(directory: &Path, without: &[PathBuf]) -> BTreeMap<PathBuf, (u32, u32, OsString)> {
    let mut tree = BTreeMap::new();
    let mut open = vec![directory.to_owned()];
    while let Some(path) = open.pop() {
        if without.contains(&path) {
            continue;
        }
        let metadata = fs::symlink_metadata(&path).unwrap();
        let content = if metadata.is_dir() {
            open.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
            OsString::new()
        } else if metadata.is_symlink() {
            fs::read_link(&path).unwrap().into_os_string()
        } else if metadata.is_file() {
            OsString::from_vec(fs::read(&path).unwrap())
        } else {
            OsString::new()
        };
        tree.insert(path, (metadata.mode(), metadata.uid(), content));
    }
    tree
}
