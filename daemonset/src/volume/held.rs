//! A volume in the hands of whoever keeps it fresh.

use std::os::fd::OwnedFd;
use std::sync::Arc;

use esi_core::Generation;

use super::blocking::Blocking;
use super::start::Parts;
use super::table::Turn;
use crate::mount::Seen;
use crate::state::{Phase, Record, StateError};

/// The turn at a volume that is known. A publish meanwhile is told that it is busy; an unpublish waits, and asks for
/// it: see [`Held::stopped`].
#[derive(Debug)]
pub struct Held {
    turn: Arc<Turn>,
    record: Record,
    parts: Arc<Parts>,
    blocking: Blocking,
}

impl Held {
    pub(super) fn new(turn: Turn, parts: Arc<Parts>, blocking: Blocking) -> Option<Self> {
        Some(Self {
            record: turn.record()?,
            turn: Arc::new(turn),
            parts,
            blocking,
        })
    }

    /// What is known of it.
    #[must_use]
    pub fn record(&self) -> &Record {
        &self.record
    }

    /// Returns once kubelet wants the volume to be gone: then whatever is being done is to be given up.
    pub async fn stopped(&self) {
        self.turn.stopped().await;
    }

    /// The root of the volume, `O_PATH`, if it is mounted. An open descriptor keeps it from being unmounted: close it
    /// before letting go of this.
    pub async fn root(&self) -> Option<OwnedFd> {
        let (parts, target) = (Arc::clone(&self.parts), self.record.target.clone());
        let looked = self
            .blocking
            .run(move || parts.pods.place(&target).and_then(|place| place.look()))
            .await;
        match looked {
            Ok(Ok(Seen::Volume(root))) => Some(root),
            Ok(Ok(_) | Err(_)) | Err(_) => None,
        }
    }

    /// Lets kubelet be told meanwhile that the volume is there, as it is: for whoever has it for longer than an
    /// instant and leaves it whole.
    pub fn keep(&self) {
        self.turn.keep();
    }

    /// Records that another generation is about to be issued: whenever the volume ends from now on, that one is
    /// released too.
    ///
    /// # Errors
    /// If that cannot be made durable.
    pub async fn changes(&mut self) -> Result<(), StateError> {
        self.record_generation(None).await
    }

    /// Records that the volume shows another generation.
    ///
    /// # Errors
    /// If that cannot be made durable. It is shown nevertheless.
    pub async fn shows(&mut self, generation: Generation) -> Result<(), StateError> {
        self.record_generation(Some(generation)).await
    }

    async fn record_generation(&mut self, generation: Option<Generation>) -> Result<(), StateError> {
        self.record.generation = generation;
        let (parts, turn, record) = (
            Arc::clone(&self.parts),
            Arc::clone(&self.turn),
            self.record.clone(),
        );
        turn.set(Some(record.clone()));
        let saved = self.blocking.run(move || parts.store.replace(&record)).await;
        saved.unwrap_or(Ok(()))
    }

    /// Forgets a volume whose release the server has. One that is not to be released is kept.
    ///
    /// # Errors
    /// If its record cannot be removed: then it is released again.
    pub async fn forget(self) -> Result<(), StateError> {
        if self.record.phase != Phase::Releasing {
            return Ok(());
        }
        let (parts, id) = (Arc::clone(&self.parts), self.record.id.clone());
        let turn = Arc::clone(&self.turn);
        let forgotten = self.blocking.run(move || {
            parts.store.delete(&id)?;
            turn.set(None);
            Ok(())
        });
        forgotten.await.unwrap_or(Ok(()))
    }
}
