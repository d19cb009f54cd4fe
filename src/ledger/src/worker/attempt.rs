//! One attempt at one claimed lease, from the backend's call to the settled claim.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use esi_core::names::GeneratorRef;
use esi_core::{Classify as _, Clock, LeaseId, Timestamp};
use tokio::time::Instant;
use tokio_util::task::AbortOnDropHandle;

use super::backend::{Backend, BackendFailure, Progress, Renewal};
use super::backoff::{Jitter, pause};
use super::config::WorkerConfig;
use crate::error::StoreError;
use crate::metrics::Metrics;
use crate::port::{Claim, Due, Store, Work};

/// What every attempt uses.
#[derive(Debug, Clone)]
pub(super) struct Tools {
    pub(super) store: Arc<dyn Store>,
    pub(super) backend: Arc<dyn Backend>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) metrics: Metrics,
    pub(super) config: WorkerConfig,
    pub(super) jitter: Jitter,
}

/// When a claim was made, by the store and by this process.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moment {
    pub(super) store: Timestamp,
    pub(super) here: Instant,
}

impl Moment {
    /// The store's time now, or a little less.
    fn store_now(self) -> Timestamp {
        self.store + self.here.elapsed()
    }
}

/// What came of an attempt, for the log.
#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) generator: GeneratorRef,
    pub(super) lease: LeaseId,
    pub(super) work: Work,
    /// How many attempts had failed before.
    pub(super) failed_before: u32,
    /// The backend's failure, if it failed.
    pub(super) failure: Option<BackendFailure>,
    /// The lease was given up.
    pub(super) dead: bool,
    /// What the store said, if it did not take the result.
    pub(super) unsettled: Option<StoreError>,
}

/// What the backend did.
enum Done {
    Renewed(Renewal),
    Removed,
}

/// Tries, and settles the claim.
pub(super) async fn attempt(tools: Tools, due: Due, claimed: Moment) -> Outcome {
    let due = Arc::new(due);
    let progress = Arc::new(Tracker {
        claim: due.claim,
        ended_at: due.ended_at.filter(|_| due.work == Work::Revoke),
        ended: AtomicBool::new(due.lease.state == crate::port::State::AccessEnded),
        tools: tools.clone(),
    });
    let result = call(&tools, Arc::clone(&due), claimed, Arc::clone(&progress)).await;
    let kind = result.as_ref().err().map_or("ok", |failure| failure.kind);
    tools.metrics.count_attempt(due.work, kind);

    let mut dead = false;
    let settled = match &result {
        Ok(Done::Renewed(renewal)) => {
            let Renewal {
                expires_in,
                max_expires_in,
            } = *renewal;
            tools.store.renewed(due.claim, expires_in, max_expires_in).await
        }
        Ok(Done::Removed) => {
            let settled = tools.store.done(due.claim).await;
            if settled.is_ok() {
                progress.note();
            }
            settled
        }
        Err(failure) if due.work == Work::Renew && failure.permanent => {
            tools.store.not_renewable(due.claim).await
        }
        Err(failure) => {
            let now = claimed.store_now();
            dead = gives_up(&tools.config, &due, failure, now);
            if dead {
                tools.store.dead(due.claim, failure.kind).await
            } else {
                let config = &tools.config;
                let failures = due.lease.attempts.saturating_add(1);
                let wait = pause(
                    config.first_pause,
                    config.longest_pause,
                    failures,
                    tools.jitter.next(),
                );
                tools.store.retry_later(due.claim, now + wait, failure.kind).await
            }
        }
    };
    Outcome {
        generator: due.lease.generator.clone(),
        lease: due.lease.intent.lease,
        work: due.work,
        failed_before: due.lease.attempts,
        failure: result.err(),
        dead,
        unsettled: settled.err(),
    }
}

/// The backend's call in a task of its own: a panic there is a failed attempt, and a call that hangs is dropped.
async fn call(
    tools: &Tools,
    due: Arc<Due>,
    claimed: Moment,
    progress: Arc<Tracker>,
) -> Result<Done, BackendFailure> {
    let backend = Arc::clone(&tools.backend);
    let ttl = ttl(&due, claimed.store_now());
    let task = tokio::spawn(async move {
        match due.work {
            Work::Renew => backend.renew(&due.lease, ttl).await.map(Done::Renewed),
            Work::Revoke | Work::Sweep => backend
                .revoke(&due.lease, progress.as_ref())
                .await
                .map(|()| Done::Removed),
        }
    });
    let failed = |kind, source| BackendFailure {
        kind,
        permanent: false,
        source,
    };
    match tokio::time::timeout(tools.config.deadline, AbortOnDropHandle::new(task)).await {
        Ok(Ok(result)) => result,
        Ok(Err(panicked)) => Err(failed("backend_panicked", Box::new(panicked))),
        Err(elapsed) => Err(failed("backend_deadline", Box::new(elapsed))),
    }
}

/// What a renewal asks for: as much as the issue, but not beyond the lease's maximum. The backend is to end it then
/// even if this server is not there to.
fn ttl(due: &Due, now: Timestamp) -> Duration {
    let most = due.lease.max_expires_at.map(|max| max.since(now));
    most.map_or(due.granted, |most| due.granted.min(most))
}

/// Whether a revocation that is refused for good has been tried for long enough.
fn gives_up(config: &WorkerConfig, due: &Due, failure: &BackendFailure, now: Timestamp) -> bool {
    let age = due.ended_at.map_or(Duration::ZERO, |ended| now.since(ended));
    due.work != Work::Renew
        && failure.permanent
        && age >= config.give_up_after
        && due.lease.attempts.saturating_add(1) >= config.give_up_attempts
}

/// Makes the progress of a revocation durable, and measures it once.
#[derive(Debug)]
struct Tracker {
    claim: Claim,
    /// `None` for what nobody was given.
    ended_at: Option<Timestamp>,
    /// It has been said that nobody can use it.
    ended: AtomicBool,
    tools: Tools,
}

impl Tracker {
    fn note(&self) {
        if !self.ended.swap(true, Ordering::Relaxed)
            && let Some(ended_at) = self.ended_at
        {
            let lag = self.tools.clock.now().since(ended_at);
            self.tools.metrics.observe_revoke_lag(lag);
        }
    }
}

#[async_trait]
impl Progress for Tracker {
    async fn access_ended(&self) {
        match self.tools.store.access_ended(self.claim).await {
            Ok(()) => self.note(),
            // It is said again by the end of the revocation, or by its repetition.
            Err(error) => tracing::debug!(
                lease = %self.claim.lease, kind = error.kind(),
                "the ledger did not take that the access has ended"
            ),
        }
    }
}
