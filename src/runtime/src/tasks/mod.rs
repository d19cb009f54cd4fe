//! The program's long-running tasks: what must be alive, and how it ends.
//!
//! An **essential** task runs until a stop is requested and then finishes its work. A **companion** (admin
//! endpoints, signal handling) serves the others: it is aborted when the last essential one has ended, so
//! that a drain can be observed. Either one ending before a stop was requested is a defect: everything is
//! asked to stop and [`Tasks::wait`] names the task, so the process restarts instead of limping.
//!
//! ```text
//!  running ── stop requested, or a task ended ──▶ draining ── all ended │ deadline │ forced ──▶ aborted
//! ```

use std::collections::HashMap;
use std::error::Error;
use std::time::Duration;

use esi_core::{Classify, Code, Retry};
use thiserror::Error;
use tokio::task::{Id, JoinError, JoinSet};

use crate::Shutdown;

/// How long aborted tasks may take to give back what they hold.
const ABORT: Duration = Duration::from_secs(1);

type Cause = Box<dyn Error + Send + Sync>;

/// Why the program did not end cleanly.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TasksError {
    /// The task ended although nobody asked it to.
    #[error("the task `{name}` ended before a stop was requested")]
    Ended {
        /// Its name.
        name: &'static str,
    },
    /// The task gave up.
    #[error("the task `{name}` failed")]
    Failed {
        /// Its name.
        name: &'static str,
        /// Why.
        #[source]
        source: Cause,
    },
    /// The task panicked: a defect.
    #[error("the task `{name}` panicked")]
    Panicked {
        /// Its name.
        name: &'static str,
    },
    /// The tasks had not finished when the deadline of the drain passed, or a stop was forced.
    #[error("stopped before these tasks had finished: {}", names.join(", "))]
    CutOff {
        /// Their names, sorted.
        names: Vec<&'static str>,
    },
}

impl Classify for TasksError {
    fn code(&self) -> Code {
        match self {
            Self::Ended { .. } | Self::Failed { .. } | Self::Panicked { .. } => Code::Internal,
            Self::CutOff { .. } => Code::DeadlineExceeded,
        }
    }

    fn retry(&self) -> Retry {
        Retry::Never
    }

    fn kind(&self) -> &'static str {
        match self {
            Self::Ended { .. } => "task_ended",
            Self::Failed { .. } => "task_failed",
            Self::Panicked { .. } => "task_panicked",
            Self::CutOff { .. } => "task_cut_off",
        }
    }
}

/// How a task may end: with nothing to say, or with an error.
pub trait Outcome: Send + 'static {
    /// As a result.
    ///
    /// # Errors
    /// The error that the task ended with.
    fn into_result(self) -> Result<(), Cause>;
}

impl Outcome for () {
    fn into_result(self) -> Result<(), Cause> {
        Ok(())
    }
}

impl<E: Into<Cause> + Send + 'static> Outcome for Result<(), E> {
    fn into_result(self) -> Result<(), Cause> {
        self.map_err(Into::into)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    Essential,
    Companion,
}

/// Owns the tasks. Dropping it aborts them.
#[derive(Debug)]
pub struct Tasks {
    shutdown: Shutdown,
    running: JoinSet<Result<(), Cause>>,
    names: HashMap<Id, (&'static str, Role)>,
}

impl Tasks {
    /// No tasks yet.
    #[must_use]
    pub fn new(shutdown: Shutdown) -> Self {
        Self {
            shutdown,
            running: JoinSet::new(),
            names: HashMap::new(),
        }
    }

    /// Starts an essential task: it must run until a stop is requested, and is then waited for.
    pub fn spawn<F>(&mut self, name: &'static str, task: F)
    where
        F: Future<Output: Outcome> + Send + 'static,
    {
        self.start(name, Role::Essential, task);
    }

    /// Starts a companion: it must run as long as any essential task does, and is then aborted.
    pub fn spawn_companion<F>(&mut self, name: &'static str, task: F)
    where
        F: Future<Output: Outcome> + Send + 'static,
    {
        self.start(name, Role::Companion, task);
    }

    fn start<F>(&mut self, name: &'static str, role: Role, task: F)
    where
        F: Future<Output: Outcome> + Send + 'static,
    {
        let handle = self.running.spawn(async move { task.await.into_result() });
        self.names.insert(handle.id(), (name, role));
    }

    /// Waits for the end: until a stop is requested or a task ends by itself, then at most `deadline` for
    /// the essential tasks to finish, and aborts what is left.
    ///
    /// # Errors
    /// The first task that failed, panicked, or ended too early; else the tasks that were cut off.
    pub async fn wait(mut self, deadline: Duration) -> Result<(), TasksError> {
        let early = tokio::select! {
            biased;
            () = self.shutdown.requested() => None,
            Some(ended) = self.running.join_next_with_id() => Some(ended),
        };
        let mut failure = early.and_then(|ended| self.judge(ended));
        self.shutdown.trigger();

        let forced = self.shutdown.clone();
        let drained = tokio::select! {
            () = forced.forced() => false,
            finished = tokio::time::timeout(deadline, self.drain(&mut failure)) => finished.is_ok(),
        };
        if !drained && failure.is_none() {
            failure = Some(TasksError::CutOff {
                names: self.essential(),
            });
        }
        // An aborted task ends at its next await; one that computes without any is left behind.
        if tokio::time::timeout(ABORT, self.running.shutdown())
            .await
            .is_err()
        {
            tracing::warn!("a task could not be aborted");
        }
        failure.map_or(Ok(()), Err)
    }

    async fn drain(&mut self, failure: &mut Option<TasksError>) {
        while !self.essential().is_empty() {
            let Some(ended) = self.running.join_next_with_id().await else {
                break;
            };
            if let Some(error) = self.judge(ended) {
                failure.get_or_insert(error);
            }
        }
    }

    /// Forgets the task that ended, and says what was wrong about its end.
    fn judge(&mut self, ended: Result<(Id, Result<(), Cause>), JoinError>) -> Option<TasksError> {
        let (id, outcome) = match ended {
            Ok((id, outcome)) => (id, Ok(outcome)),
            Err(error) => (error.id(), Err(error)),
        };
        let (name, role) = self.names.remove(&id)?;
        let error = match outcome {
            Ok(Ok(())) if self.shutdown.is_requested() => None,
            Ok(Ok(())) => Some(TasksError::Ended { name }),
            Ok(Err(source)) => Some(TasksError::Failed { name, source }),
            Err(_panic) => Some(TasksError::Panicked { name }),
        };
        match &error {
            None => tracing::debug!(task = name, ?role, "task finished"),
            Some(error) => tracing::error!(task = name, error = esi_core::chain(error), "task died"),
        }
        error
    }

    fn essential(&self) -> Vec<&'static str> {
        let mut names: Vec<_> = self
            .names
            .values()
            .filter(|(_, role)| *role == Role::Essential)
            .map(|(name, _)| *name)
            .collect();
        names.sort_unstable();
        names
    }
}

#[cfg(test)]
mod tests;
