//! The loop that owns the schedule.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use esi_core::names::GeneratorRef;
use esi_core::{Classify as _, Clock, chain};
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::attempt::{Moment, Outcome, Tools, attempt};
use super::backend::Backend;
use super::backoff::{Jitter, pause};
use super::config::WorkerConfig;
use super::report::Report;
use super::waker::Waker;
use crate::metrics::Metrics;
use crate::port::{Room, Store};

/// It looks at least this often, for the store's time may have jumped, and another server may share the store.
const LOOK: Duration = Duration::from_secs(10);
/// How often leases are counted for the metrics.
const COUNT: Duration = Duration::from_secs(15);
/// The pauses after the store could not be asked.
const STORE_PAUSE: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(15));

/// Does what is due.
#[derive(Debug)]
pub struct Worker {
    tools: Tools,
    waker: Waker,
    /// Attempts under way, and how many of each generator.
    flight: JoinSet<Outcome>,
    generators: HashMap<Id, GeneratorRef>,
    busy: BTreeMap<GeneratorRef, usize>,
    report: Report,
    /// How often the store could not be asked, in a row, and when to ask again.
    store_failures: u32,
    store_pause: Option<Instant>,
}

impl Worker {
    /// A worker, and what wakes it.
    #[must_use]
    pub fn new(
        store: Arc<dyn Store>,
        backend: Arc<dyn Backend>,
        clock: Arc<dyn Clock>,
        config: WorkerConfig,
        metrics: Metrics,
    ) -> (Self, Waker) {
        let waker = Waker::default();
        let tools = Tools {
            store,
            backend,
            clock,
            metrics,
            config,
            jitter: Jitter::random(),
        };
        let worker = Self {
            tools,
            waker: waker.clone(),
            flight: JoinSet::new(),
            generators: HashMap::new(),
            busy: BTreeMap::new(),
            report: Report::default(),
            store_failures: 0,
            store_pause: None,
        };
        (worker, waker)
    }

    #[cfg(test)]
    pub(super) fn with_jitter(mut self, jitter: Jitter) -> Self {
        self.tools.jitter = jitter;
        self
    }

    /// Works until it is cancelled, then waits for what is under way, for
    /// [`stop_within`](WorkerConfig::stop_within) at most.
    pub async fn run(mut self, cancel: CancellationToken) {
        let mut count = tokio::time::interval(COUNT);
        count.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        while !cancel.is_cancelled() {
            let next = self.take_up().await;
            tokio::select! {
                biased;
                () = cancel.cancelled() => break,
                Some(landed) = self.flight.join_next_with_id() => self.landed(landed),
                () = self.waker.woken() => {}
                _ = count.tick() => self.count().await,
                () = sleep_until(next) => {}
            }
            // All that has landed by now gives its room back before the store is asked again.
            while let Some(landed) = self.flight.try_join_next_with_id() {
                self.landed(landed);
            }
        }
        self.stop().await;
    }

    /// Starts what is due as far as there is room; answers when to look again.
    async fn take_up(&mut self) -> Instant {
        let look = Instant::now() + LOOK;
        if let Some(until) = self.store_pause.filter(|until| Instant::now() < *until) {
            return until;
        }
        loop {
            let config = self.tools.config;
            let total = config.concurrency.saturating_sub(self.flight.len());
            if total == 0 {
                return look;
            }
            let room = Room {
                total,
                per_generator: config.per_generator,
                busy: self.busy.clone(),
            };
            let batch = match self.tools.store.claim_due_within(room, config.claim_for()).await {
                Ok(batch) => batch,
                Err(error) => return self.store_failed(&error),
            };
            self.store_recovered();
            let claimed = Moment {
                store: batch.now,
                here: Instant::now(),
            };
            let oldest = batch.due.first().map(|due| batch.now.since(due.since));
            self.tools.metrics.set_due_age(oldest.unwrap_or_default());
            for due in batch.due {
                let generator = due.lease.generator.clone();
                *self.busy.entry(generator.clone()).or_default() += 1;
                let task = self.flight.spawn(attempt(self.tools.clone(), due, claimed));
                self.generators.insert(task.id(), generator);
            }
            match batch.next {
                Some(next) if next <= batch.now => {}
                Some(next) => return look.min(claimed.here + next.since(batch.now)),
                None => return look,
            }
        }
    }

    fn landed(&mut self, landed: Result<(Id, Outcome), JoinError>) {
        let id = match &landed {
            Ok((id, _outcome)) => *id,
            Err(error) => error.id(),
        };
        if let Some(generator) = self.generators.remove(&id)
            && let Some(number) = self.busy.get_mut(&generator)
        {
            *number = number.saturating_sub(1);
            if *number == 0 {
                self.busy.remove(&generator);
            }
        }
        match landed {
            Ok((_id, outcome)) => self.report.tell(&outcome),
            Err(error) => {
                tracing::error!(%error, "an attempt ended without a result; it is repeated when its claim is over");
            }
        }
    }

    fn store_failed(&mut self, error: &crate::StoreError) -> Instant {
        self.tools.metrics.count_store_error();
        self.store_failures = self.store_failures.saturating_add(1);
        if self.store_failures == 1 {
            tracing::warn!(
                kind = error.kind(),
                error = chain(error),
                "the ledger cannot be asked what is due"
            );
        } else {
            tracing::debug!(
                kind = error.kind(),
                error = chain(error),
                "the ledger still cannot be asked"
            );
        }
        let (first, longest) = STORE_PAUSE;
        let until = Instant::now() + pause(first, longest, self.store_failures, self.tools.jitter.next());
        self.store_pause = Some(until);
        until
    }

    fn store_recovered(&mut self) {
        if self.store_failures > 0 {
            tracing::info!(
                failures = self.store_failures,
                "the ledger can be asked again what is due"
            );
        }
        self.store_failures = 0;
        self.store_pause = None;
    }

    async fn count(&self) {
        match self.tools.store.counts().await {
            Ok(counts) => self.tools.metrics.count_leases(&counts),
            Err(error) => tracing::debug!(kind = error.kind(), "leases could not be counted"),
        }
    }

    async fn stop(mut self) {
        let under_way = self.flight.len();
        let all_landed = async {
            while let Some(landed) = self.flight.join_next_with_id().await {
                if let Ok((_id, outcome)) = landed {
                    self.report.tell(&outcome);
                }
            }
        };
        if tokio::time::timeout(self.tools.config.stop_within, all_landed)
            .await
            .is_err()
        {
            tracing::warn!(
                under_way,
                cut_off = self.flight.len(),
                "stopped before every attempt had ended"
            );
        }
    }
}
