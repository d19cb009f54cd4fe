//! The embedded store: one SQLite file, one thread that owns it.
//!
//! ```text
//!  callers ──bounded queue──▶ owner thread ──▶ BEGIN · command · command · … · COMMIT ──▶ answers
//! ```
//!
//! Commands that wait while one transaction is committed share the next one (group commit), each in a savepoint of
//! its own, so that one that fails takes no other with it. An answer is given after the commit. rusqlite on a
//! thread of its own, instead of an asynchronous driver: the transitions are synchronous and pure and run *inside*
//! the transaction, with no hop between threads per statement.
//!
//! Invariants: write-ahead log with `synchronous=FULL` and an exclusive lock on the file, so one server at a time;
//! nothing but the store's time is kept in memory, so a transaction that could not be committed (disk full) leaves
//! nothing to repair, and the next one simply tries again.

mod open;
mod owner;
mod queue;
mod rows;
mod session;
mod time;

#[cfg(test)]
mod tests;

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use async_trait::async_trait;
use esi_core::{BindingKey, Clock, Generation, Handle, InstallationId, LeaseId, Timestamp};
use thiserror::Error;
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;

pub use open::OpenError;
use owner::{Command, Job};
use session::Session;
use time::SharedTime;

use crate::error::StoreError;
use crate::port::{
    Activation, Begun, Claim, Counts, DueBatch, EndReason, InUse, Lease, NewLease, Room, Selector, Store,
};

/// Most commands that wait: a tenth of a second's work on a slow machine. Who comes later is told to try again.
const QUEUE: usize = 1024;

/// A ledger in one SQLite file.
///
/// Dropping it waits for what is queued to be committed, folds the write-ahead log into the file and closes it.
pub struct SqliteStore {
    installation: InstallationId,
    epoch: i64,
    time: SharedTime,
    /// `None` only while it is dropped.
    queue: Option<mpsc::Sender<Box<dyn Job>>>,
    thread: Option<JoinHandle<()>>,
    /// The caller does the owner's work: tokio's paused time runs on while it waits for another thread.
    #[cfg(test)]
    inline: Option<std::sync::Mutex<owner::Owner>>,
}

impl fmt::Debug for SqliteStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteStore")
            .field("installation", &self.installation)
            .finish_non_exhaustive()
    }
}

#[derive(Debug, Error)]
#[error("the thread that owns the ledger has ended")]
struct Stopped;

impl SqliteStore {
    /// Opens the ledger at `path`, and makes it if there is no file. Blocks while the file is checked.
    ///
    /// # Errors
    /// See [`OpenError`]; the file is then as it was.
    pub fn open(path: &Path, clock: Arc<dyn Clock>) -> Result<Self, OpenError> {
        let owner = open::open(path, clock)?;
        let installation = owner.installation.clone();
        let epoch = owner.epoch;
        let time = owner.time.clone();
        let (queue, commands) = mpsc::channel(QUEUE);
        let thread = std::thread::Builder::new()
            .name("ledger".to_owned())
            .spawn(move || owner.run(commands))
            .map_err(OpenError::Thread)?;
        Ok(Self {
            installation,
            epoch,
            time,
            queue: Some(queue),
            thread: Some(thread),
            #[cfg(test)]
            inline: None,
        })
    }

    #[cfg(test)]
    pub(crate) fn open_inline(path: &Path, clock: Arc<dyn Clock>) -> Self {
        let owner = open::open(path, clock).unwrap();
        Self {
            installation: owner.installation.clone(),
            epoch: owner.epoch,
            time: owner.time.clone(),
            queue: None,
            thread: None,
            inline: Some(std::sync::Mutex::new(owner)),
        }
    }

    /// As if the disk were full, or no longer.
    #[cfg(test)]
    pub(crate) fn refuse_writes(&self, refuse: bool) {
        let owner = self.inline.as_ref().unwrap().lock().unwrap();
        owner
            .connection
            .pragma_update(None, "query_only", refuse)
            .unwrap();
    }

    /// Counts how often the ledger may have lost what its backends still have.
    #[must_use]
    pub fn epoch(&self) -> i64 {
        self.epoch
    }

    /// Waits until the thread that owns the ledger has ended, which it does not do by itself: without it the server
    /// cannot go on.
    pub async fn stopped(&self) {
        if let Some(queue) = &self.queue {
            queue.closed().await;
        }
    }

    async fn call<T, F>(&self, function: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Session<'_>) -> Result<T, StoreError> + Send + 'static,
    {
        #[cfg(test)]
        if let Some(owner) = &self.inline {
            let (command, answer) = Command::new(function);
            owner.lock().unwrap().serve(&mut vec![Box::new(command)]);
            return answer.await.unwrap();
        }
        let stopped = || StoreError::Unavailable(Box::new(Stopped));
        let queue = self.queue.as_ref().ok_or_else(stopped)?;
        let (command, answer) = Command::new(function);
        queue.try_send(Box::new(command)).map_err(|error| match error {
            TrySendError::Full(_) => StoreError::Overloaded,
            TrySendError::Closed(_) => stopped(),
        })?;
        answer.await.map_err(|_gone| stopped())?
    }
}

impl Drop for SqliteStore {
    fn drop(&mut self) {
        drop(self.queue.take());
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the thread that owned the lease ledger panicked");
        }
    }
}

#[async_trait]
impl Store for SqliteStore {
    fn installation(&self) -> &InstallationId {
        &self.installation
    }

    fn now(&self) -> Timestamp {
        self.time.read().now
    }

    async fn begin(&self, new: NewLease) -> Result<Begun, StoreError> {
        self.call(move |session| session.begin(new)).await
    }

    async fn record(&self, lease: LeaseId, handle: Handle) -> Result<(), StoreError> {
        self.call(move |session| session.record(lease, handle)).await
    }

    async fn activate(&self, lease: LeaseId, activation: Activation) -> Result<Lease, StoreError> {
        self.call(move |session| session.activate(lease, activation))
            .await
    }

    async fn abandon(&self, lease: LeaseId) -> Result<(), StoreError> {
        self.call(move |session| session.abandon(lease)).await
    }

    async fn acknowledge(&self, key: &BindingKey, generation: Generation) -> Result<(), StoreError> {
        let key = key.clone();
        self.call(move |session| session.acknowledge(&key, generation))
            .await
    }

    async fn in_use(&self, uses: Vec<InUse>, until: Timestamp) -> Result<Vec<Option<Lease>>, StoreError> {
        self.call(move |session| session.in_use(&uses, until)).await
    }

    async fn end(&self, selector: Selector, reason: EndReason) -> Result<usize, StoreError> {
        self.call(move |session| session.end(&selector, reason)).await
    }

    async fn ask_rotation(&self, selector: Selector) -> Result<usize, StoreError> {
        self.call(move |session| session.ask_rotation(&selector)).await
    }

    async fn claim_due_within(&self, room: Room, claim_for: Duration) -> Result<DueBatch, StoreError> {
        self.call(move |session| session.claim_due(room, claim_for)).await
    }

    async fn renewed(
        &self,
        claim: Claim,
        expires_in: Duration,
        max_expires_in: Option<Duration>,
    ) -> Result<(), StoreError> {
        self.call(move |session| {
            session.settle(claim, |record, now| {
                record.renewed(claim, expires_in, max_expires_in, now)
            })
        })
        .await
    }

    async fn not_renewable(&self, claim: Claim) -> Result<(), StoreError> {
        self.call(move |session| session.settle(claim, |record, now| record.not_renewable(claim, now)))
            .await
    }

    async fn access_ended(&self, claim: Claim) -> Result<(), StoreError> {
        self.call(move |session| session.settle(claim, |record, _now| record.access_ended(claim)))
            .await
    }

    async fn done(&self, claim: Claim) -> Result<(), StoreError> {
        self.call(move |session| session.settle(claim, |record, now| record.done(claim, now)))
            .await
    }

    async fn retry_later(&self, claim: Claim, at: Timestamp, error: &'static str) -> Result<(), StoreError> {
        self.call(move |session| {
            session.settle(claim, |record, now| record.retry_later(claim, at, error, now))
        })
        .await
    }

    async fn dead(&self, claim: Claim, error: &'static str) -> Result<(), StoreError> {
        self.call(move |session| session.settle(claim, |record, _now| record.dead(claim, error)))
            .await
    }

    async fn retry(&self, lease: LeaseId) -> Result<bool, StoreError> {
        self.call(move |session| session.retry(lease)).await
    }

    async fn generations(&self, named: Vec<InUse>) -> Result<Vec<Option<Lease>>, StoreError> {
        self.call(move |session| named.iter().map(|named| session.generation(named)).collect())
            .await
    }

    async fn newest(&self, key: &BindingKey) -> Result<Option<Lease>, StoreError> {
        let key = key.clone();
        self.call(move |session| session.newest(&key)).await
    }

    async fn unfinished(&self, after: Option<LeaseId>, limit: usize) -> Result<Vec<Lease>, StoreError> {
        self.call(move |session| session.unfinished(after, limit)).await
    }

    async fn counts(&self) -> Result<Counts, StoreError> {
        self.call(move |session| session.counts()).await
    }
}
