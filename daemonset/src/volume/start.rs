//! The volumes of a node, and how they begin.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use esi_core::{Checkpoint, Clock, Generation};
use esi_delivery::Volume;
use tokio_util::task::TaskTracker;

use super::blocking::Blocking;
use super::held::Held;
use super::keep::Keep;
use super::port::{Driver, PublishError, UnpublishError};
use super::table::{Table, Turn};
use super::{publish, reconcile, unpublish};
use crate::fill::Fill;
use crate::mount::{Kernel, Pods, Seen};
use crate::request::{Publish, Unpublish, VolumeId};
use crate::state::{BootId, Phase, Record, StateError, Store};

/// How long an unpublish waits for a call that is running to stop: well inside the two minutes of kubelet's own
/// deadline, and longer than any step but an issue, which stops at once.
const STOP: Duration = Duration::from_secs(30);

/// What the volumes are made of.
#[derive(Debug)]
pub struct Parts {
    /// kubelet's directory of pods, which whoever fills volumes looks into as well.
    pub pods: Arc<Pods>,
    /// What the kernel can.
    pub kernel: Kernel,
    /// The records.
    pub store: Store,
    /// Which life of the node this is.
    pub boot: BootId,
    /// Who fills volumes of delivery `node`.
    pub fill: Arc<dyn Fill>,
    /// Who keeps volumes fresh.
    pub keep: Arc<dyn Keep>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Is told of every step.
    pub checkpoint: Arc<dyn Checkpoint>,
}

impl Parts {
    pub(super) fn save(&self, turn: &Turn, record: Record) -> Result<(), StateError> {
        match turn.record() {
            None => self.store.add(&record)?,
            Some(_before) => self.store.replace(&record)?,
        }
        turn.set(Some(record));
        Ok(())
    }
}

/// All volumes of the node.
#[derive(Debug)]
pub struct Volumes {
    parts: Arc<Parts>,
    table: Arc<Table>,
    blocking: Blocking,
    /// The calls that are running, also those whose callers have gone.
    calls: TaskTracker,
}

impl Volumes {
    /// Reads the records and brings them, the mounts and kubelet's directories together: see [`Volumes::reconcile`].
    /// Blocks.
    ///
    /// # Errors
    /// If the state directory cannot be read.
    pub fn start(parts: Parts) -> Result<Self, StateError> {
        let table = Arc::new(Table::default());
        for record in parts.store.load()? {
            table.put(record);
        }
        let volumes = Self {
            parts: Arc::new(parts),
            table,
            blocking: Blocking::new(),
            calls: TaskTracker::new(),
        };
        volumes.reconcile();
        Ok(volumes)
    }

    /// Finds what no call of kubelet will tell of any more: a volume whose directory is gone is released, one whose
    /// file system is gone is to be made again, a file system of ours that nobody knows is unmounted. A volume with a
    /// call running is left to that call. What fails is logged, and left to the next time. Blocks.
    pub fn reconcile(&self) {
        reconcile::run(&self.parts, &self.table);
    }

    /// What is known of each volume.
    #[must_use]
    pub fn records(&self) -> Vec<Record> {
        self.table.records()
    }

    /// The generation that a volume shows, as it says itself: a hint where its pod may write to it. For a look nobody's
    /// turn is waited for. Blocks.
    #[must_use]
    pub fn shown(&self, record: &Record) -> Option<Generation> {
        let place = self.parts.pods.place(&record.target);
        match place.and_then(|place| place.look()) {
            Ok(Seen::Volume(root)) => Volume::from_fd(root).current().ok().flatten(),
            Ok(Seen::Absent | Seen::Bare | Seen::Foreign) | Err(_) => None,
        }
    }

    /// Takes the turn of a volume that is known, if nobody has it.
    #[must_use]
    pub fn hold(&self, id: &VolumeId) -> Option<Held> {
        let turn = self.table.try_turn(id)?;
        Held::new(turn, Arc::clone(&self.parts), self.blocking.clone())
    }

    /// A volume that is busy is there nevertheless, if whoever has it leaves it whole.
    fn is_there(&self, request: Publish) -> Result<(), PublishError> {
        let kept = self.table.kept(&request.id);
        if !kept.is_some_and(|record| record.phase == Phase::Ready && record.target == request.target) {
            return Err(PublishError::Busy);
        }
        self.parts.keep.fresh(Arc::new(request));
        Ok(())
    }

    /// Whether volumes are kept out of swap.
    #[must_use]
    pub fn noswap(&self) -> bool {
        self.parts.kernel.noswap
    }

    /// Waits for the calls that are running.
    pub async fn drain(&self) {
        self.calls.close();
        self.calls.wait().await;
    }
}

#[async_trait]
impl Driver for Volumes {
    async fn publish(&self, request: Publish) -> Result<(), PublishError> {
        let Some(turn) = self.table.try_turn(&request.id) else {
            return self.is_there(request);
        };
        let call = publish::Call {
            parts: Arc::clone(&self.parts),
            blocking: self.blocking.clone(),
            turn: Arc::new(turn),
            request: Arc::new(request),
            calls: self.calls.clone(),
        };
        self.calls.spawn(call.run()).await.unwrap_or_else(|error| {
            tracing::error!(%error, "a publish did not come to its end");
            Err(PublishError::Stopped)
        })
    }

    async fn unpublish(&self, request: Unpublish) -> Result<(), UnpublishError> {
        let turn = tokio::time::timeout(STOP, self.table.stop(&request.id))
            .await
            .map_err(|_elapsed| UnpublishError::Busy)?;
        let (parts, blocking) = (Arc::clone(&self.parts), self.blocking.clone());
        let call = async move {
            blocking
                .run(move || unpublish::run(&parts, &turn, &request))
                .await
        };
        match self.calls.spawn(call).await {
            Ok(Ok(done)) => done,
            Ok(Err(_cut)) => Err(UnpublishError::Busy),
            Err(error) => {
                tracing::error!(%error, "an unpublish did not come to its end");
                Err(UnpublishError::Busy)
            }
        }
    }
}

/// A record's next phase, beginning now.
pub(super) fn next(parts: &Parts, record: Record, phase: Phase) -> Record {
    record.into_phase(phase, parts.clock.now())
}
