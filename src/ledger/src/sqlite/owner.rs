//! The one thread that owns the database: it commits what is waiting as one transaction.

use std::fmt;

use rusqlite::Connection;
use thiserror::Error;
use tokio::sync::{mpsc, oneshot};

use super::session::Session;
use super::time::SharedTime;
use crate::error::StoreError;
use esi_core::InstallationId;

/// Most commands that one transaction takes: enough that a slow disk is no limit, few enough that the first one
/// does not wait long for the last one.
const MAX_BATCH: usize = 256;

/// One caller's command.
pub(super) trait Job: Send {
    /// Does it within the open transaction; answers whether what it wrote is to be kept.
    fn run(&mut self, session: &Session<'_>) -> bool;
    /// Tells the caller, once the fate of the transaction is known.
    fn reply(self: Box<Self>, failure: Option<&Failure>);
}

/// Why nothing of a whole transaction was kept.
#[derive(Debug, Clone, Error)]
#[error("{0}")]
pub(super) struct Failure(String);

/// A function, and who waits for its answer.
pub(super) struct Command<T, F> {
    function: Option<F>,
    answer: Result<T, StoreError>,
    caller: oneshot::Sender<Result<T, StoreError>>,
}

impl<T, F> fmt::Debug for Command<T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Command")
    }
}

impl<T, F> Command<T, F> {
    pub(super) fn new(function: F) -> (Self, oneshot::Receiver<Result<T, StoreError>>) {
        let (caller, answer) = oneshot::channel();
        let not_run = Failure("no transaction could be started".to_owned());
        let command = Self {
            function: Some(function),
            answer: Err(StoreError::Unavailable(Box::new(not_run))),
            caller,
        };
        (command, answer)
    }
}

impl<T: Send, F: FnOnce(&Session<'_>) -> Result<T, StoreError> + Send> Job for Command<T, F> {
    fn run(&mut self, session: &Session<'_>) -> bool {
        if let Some(function) = self.function.take() {
            self.answer = function(session);
        }
        // A refusal may have written (a handle that came too late); a failure in the middle must leave nothing.
        !matches!(
            self.answer,
            Err(StoreError::Unavailable(_) | StoreError::Corrupt(_))
        )
    }

    fn reply(self: Box<Self>, failure: Option<&Failure>) {
        let answer = match failure {
            Some(failure) => Err(StoreError::Unavailable(Box::new(failure.clone()))),
            None => self.answer,
        };
        // A caller that is gone needs no answer: what it asked for is durable all the same.
        drop(self.caller.send(answer));
    }
}

/// What the thread owns.
#[derive(Debug)]
pub(super) struct Owner {
    pub(super) connection: Connection,
    pub(super) installation: InstallationId,
    pub(super) epoch: i64,
    pub(super) time: SharedTime,
    /// The last transaction failed: so that a full disk is reported once, not a thousand times.
    pub(super) failing: bool,
}

impl Owner {
    /// Takes back what a server before this one had claimed. Where the disk is full the claims simply run out.
    pub(super) fn release_claims(&mut self) {
        let (release, _answer) = Command::new(|session: &Session<'_>| session.release_all());
        self.serve(&mut vec![Box::new(release) as Box<dyn Job>]);
    }

    /// Works until the last sender is gone, then closes the database cleanly.
    pub(super) fn run(mut self, mut queue: mpsc::Receiver<Box<dyn Job>>) {
        let mut batch = Vec::with_capacity(MAX_BATCH);
        while queue.blocking_recv_many(&mut batch, MAX_BATCH) > 0 {
            self.serve(&mut batch);
        }
        self.close();
    }

    /// One transaction for all, then the answers.
    pub(super) fn serve(&mut self, batch: &mut Vec<Box<dyn Job>>) {
        let failure = self.transact(batch).err();
        self.report(failure.as_ref());
        for job in batch.drain(..) {
            job.reply(failure.as_ref());
        }
    }

    fn transact(&mut self, batch: &mut [Box<dyn Job>]) -> Result<(), Failure> {
        let done = self.write(batch);
        // SQLite itself rolls back after some failures, and then refuses to do it twice.
        if done.is_err()
            && !self.connection.is_autocommit()
            && let Err(error) = self.execute("ROLLBACK")
        {
            tracing::error!(error = %error, "a failed ledger transaction could not be rolled back");
        }
        done.map_err(|error| Failure(error.to_string()))
    }

    fn write(&mut self, batch: &mut [Box<dyn Job>]) -> Result<(), rusqlite::Error> {
        self.execute("BEGIN IMMEDIATE")?;
        let before = self.connection.total_changes();
        let reading = self.time.read();
        let session = Session {
            connection: &self.connection,
            installation: &self.installation,
            epoch: self.epoch,
            reading,
        };
        for job in batch {
            self.execute("SAVEPOINT command")?;
            if !job.run(&session) {
                self.execute("ROLLBACK TO command")?;
            }
            self.execute("RELEASE command")?;
        }
        if self.connection.total_changes() != before {
            self.connection
                .prepare_cached("UPDATE meta SET time = ?1")?
                .execute([reading.now.as_millis()])?;
        }
        self.execute("COMMIT")
    }

    fn execute(&self, sql: &str) -> Result<(), rusqlite::Error> {
        self.connection.prepare_cached(sql)?.execute([]).map(drop)
    }

    fn report(&mut self, failure: Option<&Failure>) {
        match failure {
            Some(failure) if !self.failing => {
                tracing::error!(error = %failure, "the lease ledger cannot be written: check its disk; nothing is issued meanwhile");
            }
            Some(failure) => tracing::debug!(error = %failure, "the lease ledger still cannot be written"),
            None if self.failing => tracing::info!("the lease ledger can be written again"),
            None => {}
        }
        self.failing = failure.is_some();
    }

    fn close(self) {
        let checkpoint = self
            .connection
            .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_row| Ok(()));
        let closed = checkpoint.and_then(|()| self.connection.close().map_err(|(_connection, error)| error));
        if let Err(error) = closed {
            // Nothing is lost: the next start reads the write-ahead log.
            tracing::warn!(error = %error, "the lease ledger was not closed cleanly");
        }
    }
}
