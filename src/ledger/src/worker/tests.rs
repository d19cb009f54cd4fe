//! Exact schedules, in tokio's paused time: a backend in memory, the real store run by its callers.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::Mutex;
use std::time::Duration;

use async_trait::async_trait;
use esi_core::names::GeneratorRef;
use esi_core::{Clock, Timestamp};
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::backoff::Jitter;
use super::*;
use crate::conformance::{START, TTL, acknowledged, activation, key, new_lease, secs};
use crate::port::{Activation, EndReason, InUse, Lease, Selector, State, Store, Work};
use crate::{Metrics, SqliteStore};

/// The wall clock, moved by tokio's paused time.
#[derive(Debug)]
struct Paused(Instant);

impl Clock for Paused {
    fn now(&self) -> Timestamp {
        START + self.0.elapsed()
    }
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Mood {
    Well,
    Down,
    RefusesForGood,
    Hangs,
    Panics,
    /// Takes so long, and says half-way that nobody can use it any more.
    Slow(Duration),
}

/// A backend per name of generator, in memory.
#[derive(Debug)]
struct Fake {
    start: Instant,
    moods: Mutex<HashMap<String, Mood>>,
    calls: Mutex<Vec<(u64, Work, String)>>,
    /// The times to live that renewals asked for.
    asked: Mutex<Vec<Duration>>,
}

impl Fake {
    async fn call(
        &self,
        work: Work,
        lease: &Lease,
        progress: Option<&dyn Progress>,
    ) -> Result<(), BackendFailure> {
        let name = lease.generator.name.to_string();
        let mood = self.moods.lock().unwrap().get(&name).copied();
        let at = self.start.elapsed().as_secs();
        self.calls.lock().unwrap().push((at, work, name));
        let failure = |kind, permanent| BackendFailure {
            kind,
            permanent,
            source: "as the test wants it".into(),
        };
        match mood.unwrap_or(Mood::Well) {
            Mood::Well => Ok(()),
            Mood::Down => Err(failure("down", false)),
            Mood::RefusesForGood => Err(failure("refused", true)),
            Mood::Hangs => std::future::pending().await,
            Mood::Panics => panic!("a defect in a backend"),
            Mood::Slow(span) => {
                tokio::time::sleep(span / 2).await;
                if let Some(progress) = progress {
                    progress.access_ended().await;
                }
                tokio::time::sleep(span / 2).await;
                Ok(())
            }
        }
    }
}

#[async_trait]
impl Backend for Fake {
    async fn renew(&self, lease: &Lease, ttl: Duration) -> Result<Renewal, BackendFailure> {
        self.asked.lock().unwrap().push(ttl);
        self.call(Work::Renew, lease, None).await?;
        Ok(Renewal {
            expires_in: ttl,
            max_expires_in: None,
        })
    }

    async fn revoke(&self, lease: &Lease, progress: &dyn Progress) -> Result<(), BackendFailure> {
        let work = if lease.state == State::Sweeping {
            Work::Sweep
        } else {
            Work::Revoke
        };
        self.call(work, lease, Some(progress)).await
    }
}

struct Bench {
    _folder: TempDir,
    store: Arc<SqliteStore>,
    fake: Arc<Fake>,
    metrics: Metrics,
    waker: Waker,
    cancel: CancellationToken,
    worker: JoinHandle<()>,
}

impl Bench {
    fn new() -> Self {
        Self::with(WorkerConfig::default())
    }

    fn with(config: WorkerConfig) -> Self {
        let folder = tempfile::tempdir_in("/dev/shm")
            .or_else(|_| tempfile::tempdir())
            .unwrap();
        let start = Instant::now();
        let clock: Arc<dyn Clock> = Arc::new(Paused(start));
        let store = Arc::new(SqliteStore::open_inline(
            &folder.path().join("db"),
            Arc::clone(&clock),
        ));
        let fake = Arc::new(Fake {
            start,
            moods: Mutex::default(),
            calls: Mutex::default(),
            asked: Mutex::default(),
        });
        let (metrics, cancel) = (Metrics::default(), CancellationToken::new());
        let (worker, waker) = Worker::new(
            Arc::clone(&store) as Arc<dyn Store>,
            Arc::clone(&fake) as Arc<dyn Backend>,
            clock,
            config,
            metrics.clone(),
        );
        let worker = worker.with_jitter(Jitter::fixed(1.0));
        let worker = tokio::spawn(worker.run(cancel.clone()));
        Self {
            _folder: folder,
            store,
            fake,
            metrics,
            waker,
            cancel,
            worker,
        }
    }

    fn mood(&self, generator: &str, mood: Mood) {
        self.fake.moods.lock().unwrap().insert(generator.to_owned(), mood);
    }

    async fn lease(&self, generator: &str, instance: &str, activation: Activation) -> Lease {
        let mut new = new_lease(&key(instance));
        new.generator = reference(generator);
        let begun = self.store.begin(new).await.unwrap();
        self.store.activate(begun.intent.lease, activation).await.unwrap()
    }

    /// Its workload is known to live for so long.
    async fn alive(&self, lease: &Lease, span: Duration) {
        let used = InUse {
            key: lease.key.clone(),
            generation: lease.generation,
        };
        let until = START + self.fake.start.elapsed() + span;
        self.store.in_use(vec![used], until).await.unwrap();
    }

    async fn end(&self, lease: &Lease) {
        let selector = Selector::Lease(lease.intent.lease);
        self.store.end(selector, EndReason::Requested).await.unwrap();
        self.waker.wake();
    }

    async fn state(&self, lease: &Lease) -> State {
        self.store.newest(&lease.key).await.unwrap().unwrap().state
    }

    /// When the backend was asked for that, in seconds from the start.
    fn calls(&self, work: Work, generator: &str) -> Vec<u64> {
        let calls = self.fake.calls.lock().unwrap();
        calls
            .iter()
            .filter(|(_, w, g)| *w == work && g == generator)
            .map(|(at, ..)| *at)
            .collect()
    }
}

fn reference(name: &str) -> GeneratorRef {
    format!("PostgreSQL/platform/{name}").parse().unwrap()
}

/// Lets paused time pass.
async fn pass(span: Duration) {
    tokio::time::sleep(span).await;
}

#[tokio::test(start_paused = true)]
async fn an_end_is_revoked_as_soon_as_the_worker_is_woken() {
    let bench = Bench::new();
    let lease = bench.lease("a", "1", acknowledged()).await;
    pass(Duration::from_millis(3500)).await;
    bench.end(&lease).await;
    pass(Duration::from_millis(1)).await;
    assert_eq!(bench.calls(Work::Revoke, "a"), [3]);
    assert_eq!(bench.state(&lease).await, State::Revoked);
    assert_eq!(bench.metrics.attempts(Work::Revoke, "ok"), 1);
}

#[tokio::test(start_paused = true)]
async fn a_lease_is_renewed_at_half_of_its_time_until_its_workload_is_gone_and_then_expires() {
    let bench = Bench::new();
    let lease = bench.lease("a", "1", acknowledged()).await;
    bench.alive(&lease, TTL * 2).await;
    pass(TTL * 3).await;
    let half = TTL.as_secs() / 2;
    assert_eq!(bench.calls(Work::Renew, "a"), [half, half * 2, half * 3]);
    assert_eq!(bench.calls(Work::Revoke, "a"), [half * 5]);
    assert_eq!(bench.state(&lease).await, State::Revoked);
}

#[tokio::test(start_paused = true)]
async fn a_backend_is_not_asked_for_more_than_the_maximum_leaves() {
    let bench = Bench::new();
    let most = Activation {
        max_expires_in: Some(TTL + TTL / 4),
        ..acknowledged()
    };
    let lease = bench.lease("a", "1", most).await;
    bench.alive(&lease, TTL * 9).await;
    pass(TTL * 2).await;
    assert_eq!(*bench.fake.asked.lock().unwrap(), [TTL * 3 / 4]);
    let end = (TTL + TTL / 4).as_secs();
    assert_eq!(bench.calls(Work::Revoke, "a"), [end]);
}

#[tokio::test(start_paused = true)]
async fn a_failing_revocation_is_tried_again_ever_more_seldom_until_it_succeeds() {
    let bench = Bench::new();
    bench.mood("a", Mood::Down);
    let lease = bench.lease("a", "1", activation()).await;
    bench.end(&lease).await;
    pass(secs(1112)).await;
    let expected = [0, 1, 3, 7, 15, 31, 63, 127, 255, 511, 811, 1111];
    assert_eq!(bench.calls(Work::Revoke, "a"), expected);
    bench.mood("a", Mood::Well);
    pass(secs(300)).await;
    assert_eq!(bench.state(&lease).await, State::Revoked);
    assert_eq!(bench.metrics.attempts(Work::Revoke, "down"), 12);
}

#[tokio::test(start_paused = true)]
async fn a_backend_that_hangs_delays_nobody_else_and_is_cut_off_at_the_deadline() {
    let bench = Bench::new();
    bench.mood("hangs", Mood::Hangs);
    for number in 0..200 {
        let lease = bench.lease("hangs", &number.to_string(), activation()).await;
        bench.end(&lease).await;
    }
    pass(secs(5)).await;
    assert_eq!(bench.calls(Work::Revoke, "hangs"), [0; 16]);
    let other = bench.lease("other", "other", activation()).await;
    bench.end(&other).await;
    pass(secs(1)).await;
    assert_eq!(bench.calls(Work::Revoke, "other"), [5]);

    pass(secs(25)).await;
    assert_eq!(bench.metrics.attempts(Work::Revoke, "backend_deadline"), 16);
    assert_eq!(
        bench.calls(Work::Revoke, "hangs").len(),
        32,
        "the next ones had their turn"
    );
}

#[tokio::test(start_paused = true)]
async fn a_panic_in_a_backend_is_a_failed_attempt() {
    let bench = Bench::new();
    bench.mood("a", Mood::Panics);
    let lease = bench.lease("a", "1", activation()).await;
    bench.end(&lease).await;
    pass(secs(2)).await;
    bench.mood("a", Mood::Well);
    pass(secs(2)).await;
    assert_eq!(bench.calls(Work::Revoke, "a"), [0, 1, 3]);
    assert_eq!(bench.state(&lease).await, State::Revoked);
}

#[tokio::test(start_paused = true)]
async fn a_renewal_refused_for_good_is_not_repeated_and_the_lease_expires() {
    let bench = Bench::new();
    bench.mood("a", Mood::RefusesForGood);
    let lease = bench.lease("a", "1", acknowledged()).await;
    bench.alive(&lease, TTL * 9).await;
    pass(TTL - secs(1)).await;
    assert_eq!(bench.calls(Work::Renew, "a"), [TTL.as_secs() / 2]);
    assert_eq!(bench.state(&lease).await, State::Active);
    bench.mood("a", Mood::Well);
    pass(secs(2)).await;
    assert_eq!(bench.calls(Work::Revoke, "a"), [TTL.as_secs()]);
}

#[tokio::test(start_paused = true)]
async fn a_revocation_refused_for_good_is_given_up_late_and_taken_up_by_a_person() {
    let config = WorkerConfig {
        give_up_after: secs(3600),
        ..WorkerConfig::default()
    };
    let bench = Bench::with(config);
    bench.mood("a", Mood::RefusesForGood);
    let lease = bench.lease("a", "1", activation()).await;
    bench.end(&lease).await;
    pass(secs(3500)).await;
    assert_eq!(bench.state(&lease).await, State::Revoking);
    pass(secs(3600)).await;
    assert_eq!(bench.state(&lease).await, State::Dead);
    assert!(bench.calls(Work::Revoke, "a").len() >= 20);

    bench.mood("a", Mood::Well);
    assert!(bench.store.retry(lease.intent.lease).await.unwrap());
    bench.waker.wake();
    pass(secs(1)).await;
    assert_eq!(bench.state(&lease).await, State::Revoked);
}

#[tokio::test(start_paused = true)]
async fn a_backend_that_is_merely_down_is_never_given_up() {
    let config = WorkerConfig {
        give_up_after: secs(60),
        give_up_attempts: 2,
        ..WorkerConfig::default()
    };
    let bench = Bench::with(config);
    bench.mood("a", Mood::Down);
    let lease = bench.lease("a", "1", activation()).await;
    bench.end(&lease).await;
    pass(secs(7 * 24 * 3600)).await;
    assert_eq!(bench.state(&lease).await, State::Revoking);
}

#[tokio::test(start_paused = true)]
async fn progress_is_durable_before_the_revocation_has_ended() {
    let bench = Bench::new();
    bench.mood("a", Mood::Slow(secs(10)));
    let lease = bench.lease("a", "1", activation()).await;
    bench.end(&lease).await;
    pass(secs(4)).await;
    assert_eq!(bench.state(&lease).await, State::Revoking);
    pass(secs(2)).await;
    assert_eq!(bench.state(&lease).await, State::AccessEnded);
    pass(secs(5)).await;
    assert_eq!(bench.state(&lease).await, State::Revoked);
}

#[tokio::test(start_paused = true)]
async fn an_end_does_not_wait_for_a_renewal_that_hangs() {
    let bench = Bench::new();
    let lease = bench.lease("a", "1", acknowledged()).await;
    bench.alive(&lease, TTL * 9).await;
    bench.mood("a", Mood::Hangs);
    pass(TTL / 2 + secs(1)).await;
    bench.mood("a", Mood::Well);
    bench.end(&lease).await;
    pass(secs(1)).await;
    assert_eq!(bench.state(&lease).await, State::Revoked);
    pass(secs(60)).await;
    assert_eq!(
        bench.state(&lease).await,
        State::Revoked,
        "the late renewal changes nothing"
    );
}

#[tokio::test(start_paused = true)]
async fn what_was_given_up_is_swept_until_nothing_can_land_any_more() {
    let bench = Bench::new();
    let mut new = new_lease(&key("1"));
    new.generator = reference("a");
    let begun = bench.store.begin(new).await.unwrap();
    bench.store.abandon(begun.intent.lease).await.unwrap();
    bench.waker.wake();
    pass(secs(100)).await;
    assert_eq!(bench.calls(Work::Sweep, "a"), [0, 2, 4, 8, 16, 32, 40]);
    assert_eq!(bench.store.counts().await.unwrap()[&State::Abandoned], 1);
}

#[tokio::test(start_paused = true)]
async fn a_thousand_ends_at_once_are_all_revoked() {
    let bench = Bench::new();
    for number in 0..1000 {
        bench.mood("a", Mood::Slow(Duration::from_millis(10)));
        let lease = bench.lease("a", &number.to_string(), activation()).await;
        let selector = Selector::Lease(lease.intent.lease);
        bench.store.end(selector, EndReason::WorkloadEnded).await.unwrap();
    }
    bench.waker.wake();
    pass(secs(1)).await;
    assert_eq!(bench.store.counts().await.unwrap()[&State::Revoked], 1000);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_cannot_be_written_is_asked_again_and_nothing_is_lost() {
    let bench = Bench::new();
    let lease = bench.lease("a", "1", activation()).await;
    let selector = Selector::Lease(lease.intent.lease);
    bench.store.end(selector, EndReason::Requested).await.unwrap();
    bench.store.refuse_writes(true);
    bench.waker.wake();
    pass(secs(60)).await;
    assert!(
        bench.calls(Work::Revoke, "a").is_empty(),
        "nothing is done without a claim"
    );
    bench.store.refuse_writes(false);
    pass(secs(15)).await;
    assert_eq!(bench.state(&lease).await, State::Revoked);
}

#[tokio::test(start_paused = true)]
async fn a_result_that_could_not_be_recorded_is_had_again_after_the_claim() {
    let bench = Bench::new();
    bench.mood("a", Mood::Slow(secs(2)));
    let lease = bench.lease("a", "1", activation()).await;
    bench.end(&lease).await;
    pass(secs(1)).await;
    bench.store.refuse_writes(true);
    pass(secs(2)).await;
    bench.store.refuse_writes(false);
    assert_ne!(bench.state(&lease).await, State::Revoked);
    pass(secs(120)).await;
    assert_eq!(bench.calls(Work::Revoke, "a"), [0, 60]);
    assert_eq!(bench.state(&lease).await, State::Revoked);
}

#[tokio::test(start_paused = true)]
async fn a_stop_waits_for_what_is_under_way_but_not_for_ever() {
    let bench = Bench::new();
    bench.mood("slow", Mood::Slow(secs(1)));
    bench.mood("hangs", Mood::Hangs);
    let slow = bench.lease("slow", "1", activation()).await;
    let hangs = bench.lease("hangs", "2", activation()).await;
    bench.end(&slow).await;
    bench.end(&hangs).await;
    pass(Duration::from_millis(1)).await;
    let stopping = Instant::now();
    bench.cancel.cancel();
    bench.worker.await.unwrap();
    assert_eq!(
        stopping.elapsed().as_secs(),
        WorkerConfig::default().stop_within.as_secs()
    );
    let state = |lease: Lease| {
        let store = Arc::clone(&bench.store);
        async move { store.newest(&lease.key).await.unwrap().unwrap().state }
    };
    assert_eq!(state(slow).await, State::Revoked);
    assert_eq!(state(hangs).await, State::Revoking);
}
