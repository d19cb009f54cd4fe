//! A directory of manifests, followed.
//!
//! ```text
//!  inotify ──▶ signal ─┐
//!  poll (30 s) ────────┼─▶ walk ─▶ watch ─▶ walk, read ─▶ same? ─▶ parse ─▶ merge ─▶ publish
//!  cancel ─────────────┘   (one task owns all of this)
//! ```
//!
//! Directories are watched, never files: an editor replaces a file, Kubernetes swaps a link beside it. They are
//! watched before they are read, so that nothing falls between; and polled, since some file systems tell nothing.

pub mod limits;
mod scan;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use notify::event::{AccessKind, AccessMode};
use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::Notify;
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep};
use tokio_util::sync::CancellationToken;

use self::limits::MAX_OBJECTS;
use super::handle::Catalog;
use super::merge::{Reading, merge};
use super::problem::{CatalogError, Problem};
use super::snapshot::Snapshot;
use crate::federation::KubernetesFederation;

/// How long to wait after the first sign of a change: an editor or a volume's swap makes several at once.
const DEBOUNCE: Duration = Duration::from_millis(100);
/// How often to look without any sign.
const POLL: Duration = Duration::from_secs(30);

/// Opens a catalog that is a directory of manifests.
#[derive(Debug, Clone, Copy)]
pub struct DirectoryCatalog;

/// Follows the directory: run it for as long as the catalog is used.
#[derive(Debug)]
pub struct DirectoryWatcher {
    catalog: Catalog,
    own: Vec<KubernetesFederation>,
    files: Files,
    fingerprint: u64,
}

/// The directory and what watches it: moves to a blocking thread and back.
#[derive(Debug)]
struct Files {
    root: PathBuf,
    /// Absent where the system gives none: then only the poll sees changes.
    watcher: Option<RecommendedWatcher>,
    watched: Vec<PathBuf>,
    changed: Arc<Notify>,
}

impl DirectoryCatalog {
    /// Reads the directory. Reads files: call it before serving, or from a thread that may block.
    ///
    /// # Errors
    /// [`CatalogError::Broken`] with every problem, if there is any: a server must not start with less than it
    /// was given.
    pub fn open(directory: &Path) -> Result<(Catalog, DirectoryWatcher), CatalogError> {
        Self::open_with(directory, Vec::new())
    }

    /// The same, with federations that the server itself vouches for.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_with(
        directory: &Path,
        own: Vec<KubernetesFederation>,
    ) -> Result<(Catalog, DirectoryWatcher), CatalogError> {
        let mut files = Files::new(directory);
        let contents = files.read();
        let fingerprint = contents.fingerprint;
        let snapshot = merge(&Snapshot::default(), contents.parse(MAX_OBJECTS), &own);
        if !snapshot.problems.is_empty() {
            return Err(CatalogError::Broken {
                problems: snapshot.problems,
            });
        }
        report(&Snapshot::default(), &snapshot);
        let catalog = Catalog::fixed(snapshot);
        let watcher = DirectoryWatcher {
            catalog: catalog.clone(),
            own,
            files,
            fingerprint,
        };
        Ok((catalog, watcher))
    }
}

impl DirectoryWatcher {
    /// Publishes every change until `cancel`.
    ///
    /// # Errors
    /// [`CatalogError::Reader`] if reading panicked: the catalog then no longer follows its directory, and a
    /// server should end.
    pub async fn run(self, cancel: CancellationToken) -> Result<(), CatalogError> {
        let Self {
            catalog,
            own,
            mut files,
            mut fingerprint,
        } = self;
        let changed = Arc::clone(&files.changed);
        let mut poll = interval_at(Instant::now() + POLL, POLL);
        poll.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = cancel.cancelled() => return Ok(()),
                () = changed.notified() => sleep(DEBOUNCE).await,
                _ = poll.tick() => {}
            }
            let (back, reading) = tokio::task::spawn_blocking(move || {
                let reading = files.changes(fingerprint);
                (files, reading)
            })
            .await
            .map_err(CatalogError::Reader)?;
            files = back;
            if let Some((seen, reading)) = reading {
                fingerprint = seen;
                let before = catalog.current();
                let next = merge(&before, reading, &own);
                report(&before, &next);
                catalog.publish(next);
            }
        }
    }
}

impl Files {
    fn new(root: &Path) -> Self {
        let changed = Arc::new(Notify::new());
        let signal = Arc::clone(&changed);
        let watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
            // An error is a sign too: events may have been lost.
            if event.map_or(true, |event| is_change(event.kind)) {
                signal.notify_one();
            }
        });
        if let Err(error) = &watcher {
            tracing::warn!(%error, poll = ?POLL, "no file watcher: changes of the catalog are only seen by polling");
        }
        Self {
            root: root.to_owned(),
            watcher: watcher.ok(),
            watched: Vec::new(),
            changed,
        }
    }

    /// What the directory says, if it is not what it said before.
    fn changes(&mut self, before: u64) -> Option<(u64, Reading)> {
        let contents = self.read();
        let fingerprint = contents.fingerprint;
        (fingerprint != before).then(|| (fingerprint, contents.parse(MAX_OBJECTS)))
    }

    fn read(&mut self) -> scan::Contents {
        self.watch(scan::walk(&self.root).directories);
        scan::walk(&self.root).read()
    }

    /// Watches these directories and no others. Each anew: under the same path there may now be another one.
    fn watch(&mut self, directories: Vec<PathBuf>) {
        let Some(watcher) = &mut self.watcher else { return };
        for gone in self.watched.drain(..) {
            // Fails where the directory is gone, and its watch with it.
            watcher.unwatch(&gone).unwrap_or_default();
        }
        for directory in &directories {
            if let Err(error) = watcher.watch(directory, RecursiveMode::NonRecursive) {
                tracing::warn!(%error, "a directory of the catalog cannot be watched: its changes are only seen by polling");
            }
        }
        self.watched = directories;
    }
}

/// Reading files makes events too, which must not cause another reading.
fn is_change(kind: EventKind) -> bool {
    match kind {
        EventKind::Access(access) => access == AccessKind::Close(AccessMode::Write),
        _ => true,
    }
}

/// Logs what is new, once.
fn report(before: &Snapshot, next: &Snapshot) {
    let new = |old: &[Problem], now: &[Problem]| -> Vec<Problem> {
        let now = now.iter().filter(|problem| !old.contains(problem));
        now.cloned().collect()
    };
    for problem in new(&before.problems, &next.problems) {
        tracing::warn!(%problem, "a manifest is broken: generators and secrets keep their last good form, nothing else holds");
    }
    for notice in new(&before.notices, &next.notices) {
        tracing::warn!(%notice, "a manifest is not served");
    }
    for dangling in new(&before.dangling, &next.dangling) {
        tracing::warn!(%dangling, "a manifest refers to what is not in the catalog");
    }
    for mended in new(&next.dangling, &before.dangling) {
        tracing::info!(%mended, "a manifest refers to nothing missing any more, or is gone");
    }
    tracing::info!(
        revision = next.revision,
        generators = next.generators.len(),
        authorizations = next.authorizations.len(),
        federations = next.federations.len(),
        problems = next.problems.len(),
        dangling = next.dangling.len(),
        "catalog read"
    );
}
