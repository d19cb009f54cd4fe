//! Signs that files may have changed.
//!
//! Directories are watched, never files: an editor replaces a file, Kubernetes swaps a link beside it. Whoever waits
//! looks at the bytes after every sign, and the signs also come by the clock: notifications get lost (a link above
//! the directory is swapped, the watch limit is reached), bytes do not.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::Notify;

/// A writer needs a moment to replace several files; half of them would be refused, and only noticed again later.
const SETTLE: Duration = Duration::from_millis(200);
/// How old a file may be seen when no notification arrives.
const POLL: Duration = Duration::from_secs(30);

/// Signs that the files in some directories may have changed.
#[derive(Debug)]
pub struct Changes {
    /// What people call these files, for the log.
    what: &'static str,
    changed: Arc<Notify>,
    directories: Vec<PathBuf>,
    /// Held, not used: dropping it ends the watch.
    watcher: Option<RecommendedWatcher>,
}

impl Changes {
    /// Watches the directories that hold these files. `what` is what people call the files: "certificate". Where the
    /// system gives no watch, only the clock makes signs, and the log says so.
    #[must_use]
    pub fn of<'a>(what: &'static str, files: impl IntoIterator<Item = &'a Path>) -> Self {
        let mut changes = Self {
            what,
            changed: Arc::default(),
            directories: Vec::new(),
            watcher: None,
        };
        changes.follow(files);
        changes
    }

    /// Watches the directories that hold these files instead, if they are others.
    pub fn follow<'a>(&mut self, files: impl IntoIterator<Item = &'a Path>) {
        let mut directories: Vec<_> = files.into_iter().map(directory).collect();
        directories.sort();
        directories.dedup();
        if directories == self.directories {
            return;
        }
        self.watcher = watch(&directories, &self.changed)
            .inspect_err(|error| {
                tracing::warn!(files = self.what, %error, "a directory cannot be watched: polling only");
            })
            .ok();
        self.directories = directories;
    }

    /// Waits for the next sign. One that came meanwhile is not lost, and several are one.
    pub async fn next(&self) {
        tokio::select! {
            () = self.changed.notified() => tokio::time::sleep(SETTLE).await,
            () = tokio::time::sleep(POLL) => {}
        }
    }
}

fn watch(directories: &[PathBuf], changed: &Arc<Notify>) -> notify::Result<RecommendedWatcher> {
    let changed = Arc::clone(changed);
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
        // Reading is an event too, ours included. A lost event counts as a change.
        if !event.is_ok_and(|event| matches!(event.kind, EventKind::Access(_)) && !event.need_rescan()) {
            changed.notify_one();
        }
    })?;
    for directory in directories {
        watcher.watch(directory, RecursiveMode::NonRecursive)?;
    }
    Ok(watcher)
}

fn directory(of: &Path) -> PathBuf {
    match of.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        _ => PathBuf::from("."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::soon;

    #[tokio::test]
    async fn a_file_replaced_beside_the_watched_one_is_a_sign() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("config.yaml");
        let changes = Changes::of("test", [file.as_path()]);
        std::fs::write(directory.path().join("..data"), "new").unwrap();
        soon(changes.next()).await;
    }

    #[tokio::test]
    async fn files_elsewhere_can_be_followed_later() {
        let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (one, other) = (one.path().join("a"), other.path().join("b"));
        let mut changes = Changes::of("test", [one.as_path()]);
        changes.follow([one.as_path(), other.as_path()]);
        std::fs::write(&other, "new").unwrap();
        soon(changes.next()).await;
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_watch_the_clock_makes_signs() {
        let changes = Changes::of("test", [Path::new("/nowhere/at/all")]);
        let began = tokio::time::Instant::now();
        changes.next().await;
        assert_eq!(began.elapsed(), POLL);
    }
}
