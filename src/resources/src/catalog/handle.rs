//! The handle that the rest of a server holds.

use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwap;
use tokio::sync::watch;

use super::snapshot::Snapshot;

/// Gives the newest snapshot, to any number of holders. Clones are the same catalog.
#[derive(Clone)]
pub struct Catalog(Arc<Shared>);

struct Shared {
    current: ArcSwap<Snapshot>,
    // Kept with the snapshot, so that `changes` stays open as long as a catalog is held.
    revision: watch::Sender<u64>,
}

impl Catalog {
    /// A catalog that never changes.
    #[must_use]
    pub fn fixed(snapshot: Snapshot) -> Self {
        let (revision, _) = watch::channel(snapshot.revision());
        Self(Arc::new(Shared {
            current: ArcSwap::from_pointee(snapshot),
            revision,
        }))
    }

    /// The newest snapshot. Hold it through one decision, so that the decision sees one moment; not longer.
    #[must_use]
    pub fn current(&self) -> Arc<Snapshot> {
        self.0.current.load_full()
    }

    /// The newest snapshot's revision, and every later one's: it is sent after [`current`](Self::current) gives it.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.0.revision.subscribe()
    }

    /// Only the one owner of a catalog's source publishes.
    pub(super) fn publish(&self, snapshot: Snapshot) {
        let revision = snapshot.revision();
        self.0.current.store(Arc::new(snapshot));
        self.0.revision.send_replace(revision);
    }
}

impl fmt::Debug for Catalog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Catalog")
            .field("revision", &self.current().revision())
            .finish_non_exhaustive()
    }
}
