//! Temporary directories of servers that all tests of a process share: those are never dropped, only killed with it.

use std::fs;
use std::path::Path;

use anyhow::Result;
use tempfile::TempDir;

/// A new directory for a server of this kind. Removes those of processes that are gone.
pub(crate) fn directory(kind: &str) -> Result<TempDir> {
    let prefix = format!("esi-{kind}-");
    remove_left_overs(&prefix);
    let prefix = format!("{prefix}{}-", std::process::id());
    Ok(tempfile::Builder::new().prefix(&prefix).tempdir()?)
}

fn remove_left_overs(prefix: &str) {
    for entry in fs::read_dir(std::env::temp_dir()).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let pid = name
            .to_str()
            .and_then(|name| name.strip_prefix(prefix))
            .and_then(|rest| rest.split('-').next());
        if pid.is_some_and(|pid| !Path::new("/proc").join(pid).exists()) {
            // Another test process may be removing it as well.
            fs::remove_dir_all(entry.path()).ok();
        }
    }
}
