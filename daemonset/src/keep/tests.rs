//! The keeper among volumes and a server that exist only here, in paused time.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use esi_client::{Action, Verdict};
use esi_core::clock::ManualClock;
use esi_core::names::ServerName;
use esi_core::{Classify, Code, Generation, Plan, Retry, Timestamp};
use prometheus_client::registry::Registry;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use super::error::{RotateError, SendError};
use super::events::{Events, Reason, Told as Event};
use super::port::{Reported, World};
use super::{Keeper, Told, channel};
use crate::fill::{FillError, Filled};
use crate::metrics::Metrics;
use crate::request::{Publish, Target, VolumeId};
use crate::state::{Phase, Record, test_record};
use crate::volume::Keep as _;

const HOUR: Duration = Duration::from_secs(3600);

/// What the server says of every volume, and what becomes of the calls.
#[derive(Debug)]
struct Inner {
    records: Vec<Record>,
    action: Action,
    left: Option<Duration>,
    is_down: bool,
    has_token: bool,
    fails: Option<Retry>,
    reports: Vec<(Duration, usize)>,
    rotations: Vec<(Duration, VolumeId)>,
    releases: Vec<(Duration, usize)>,
    at_once: usize,
    most_at_once: usize,
}

#[derive(Debug)]
struct Fake {
    begun: Instant,
    inner: Mutex<Inner>,
    /// A rotation takes one.
    permits: Semaphore,
}

#[derive(Debug, thiserror::Error)]
#[error("the backend refuses")]
struct Refused(Retry);

impl Classify for Refused {
    fn code(&self) -> Code {
        Code::Unavailable
    }

    fn retry(&self) -> Retry {
        self.0
    }

    fn kind(&self) -> &'static str {
        "refused"
    }
}

impl Fake {
    fn with<T>(&self, work: impl FnOnce(&mut Inner) -> T) -> T {
        work(&mut self.inner.lock().unwrap())
    }
}

#[async_trait]
impl World for Fake {
    fn records(&self) -> Vec<Record> {
        self.with(|inner| inner.records.clone())
    }

    fn has_token(&self, _volume: &Publish) -> bool {
        self.with(|inner| inner.has_token)
    }

    async fn report(&self, _server: &ServerName, volumes: Vec<Record>) -> Reported {
        let at = self.begun.elapsed();
        self.with(|inner| {
            inner.reports.push((at, volumes.len()));
            if inner.is_down {
                return Reported {
                    error: Some(SendError::Busy),
                    ..Reported::default()
                };
            }
            let verdicts = volumes.into_iter().filter_map(|record| {
                let verdict = Verdict {
                    binding: record.plan.binding.to_string(),
                    action: inner.action,
                    expires_in: inner.left,
                    renewable: true,
                    max_expires_in: None,
                };
                Some((record.id, record.generation?, verdict))
            });
            Reported {
                verdicts: verdicts.collect(),
                ..Reported::default()
            }
        })
    }

    async fn rotate(&self, volume: Arc<Publish>) -> Result<Filled, RotateError> {
        let at = self.begun.elapsed();
        self.with(|inner| {
            inner.rotations.push((at, volume.id.clone()));
            inner.at_once += 1;
            inner.most_at_once = inner.most_at_once.max(inner.at_once);
        });
        self.permits.acquire().await.unwrap().forget();
        self.with(|inner| {
            inner.at_once -= 1;
            if let Some(retry) = inner.fails {
                return Err(FillError::new(Refused(retry)).into());
            }
            let mut records = inner.records.iter_mut();
            let record = records.find(|record| record.id == volume.id).unwrap();
            let generation = Generation::new(record.generation.unwrap().number() + 1);
            record.generation = Some(generation);
            Ok(Filled {
                generation,
                expires_in: Some(HOUR),
            })
        })
    }

    async fn release(&self, _server: &ServerName, volumes: Vec<VolumeId>) -> Result<(), SendError> {
        let at = self.begun.elapsed();
        self.with(|inner| {
            inner.releases.push((at, volumes.len()));
            if inner.is_down {
                return Err(SendError::Busy);
            }
            inner.records.retain(|record| !volumes.contains(&record.id));
            Ok(())
        })
    }
}

struct Scene {
    fake: Arc<Fake>,
    told: Told,
    events: mpsc::Receiver<Event>,
    registry: Registry,
    keeper: JoinHandle<()>,
}

impl Drop for Scene {
    fn drop(&mut self) {
        self.keeper.abort();
    }
}

impl Scene {
    /// A daemon that starts with these records.
    fn of(records: Vec<Record>) -> Self {
        let fake = Arc::new(Fake {
            begun: Instant::now(),
            inner: Mutex::new(Inner {
                records,
                action: Action::Keep,
                left: Some(HOUR),
                is_down: false,
                has_token: true,
                fails: None,
                reports: Vec::new(),
                rotations: Vec::new(),
                releases: Vec::new(),
                at_once: 0,
                most_at_once: 0,
            }),
            permits: Semaphore::new(1000),
        });
        let mut registry = Registry::default();
        let metrics = Arc::new(Metrics::register(&mut registry));
        let (events, queue) = Events::queued(Arc::clone(&metrics));
        let (told, inbox) = channel();
        let clock = Arc::new(ManualClock::at(Timestamp::from_secs(1_700_000_060)));
        let world = Arc::clone(&fake) as Arc<dyn World>;
        let keeper = tokio::spawn(Keeper::new(inbox, world, events, metrics, clock).run());
        Self {
            fake,
            told,
            events: queue,
            registry,
            keeper,
        }
    }

    fn set(&self, change: impl FnOnce(&mut Inner)) {
        self.fake.with(change);
    }

    /// kubelet asks for every volume, with fresh tokens.
    fn republish(&self) {
        for record in self.fake.records() {
            self.told.fresh(Arc::new(Publish {
                id: record.id,
                target: record.target,
                pod: record.pod,
                delivery: record.delivery,
                plan: record.plan,
                owner: record.owner,
                tokens: BTreeMap::new(),
            }));
        }
    }

    fn end(&self, number: usize) {
        self.set(|inner| inner.records[number].phase = Phase::Releasing);
        let id = self.fake.with(|inner| inner.records[number].id.clone());
        self.told.gone(&id);
    }

    fn reports(&self) -> Vec<(Duration, usize)> {
        self.fake.with(|inner| inner.reports.clone())
    }

    fn rotations(&self) -> Vec<Duration> {
        let times = |inner: &mut Inner| inner.rotations.iter().map(|(at, _)| *at).collect();
        self.fake.with(times)
    }

    fn releases(&self) -> Vec<(Duration, usize)> {
        self.fake.with(|inner| inner.releases.clone())
    }

    fn events(&mut self) -> Vec<(Reason, String)> {
        std::iter::from_fn(|| self.events.try_recv().ok())
            .map(|event| (event.reason, event.message))
            .collect()
    }

    fn metric(&self, line: &str) -> bool {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &self.registry).unwrap();
        let found = text.lines().any(|found| found == line);
        if !found {
            eprintln!("{text}");
        }
        found
    }
}

fn volume(number: u32) -> Record {
    let mut record = test_record();
    record.id = format!("csi-{number:064x}").parse().unwrap();
    record.pod.uid = format!("uid-{number}").parse().unwrap();
    record.target = Target::new(record.pod.uid.clone(), "esi-db".to_owned()).unwrap();
    record
}

fn volumes(number: u32) -> Vec<Record> {
    (0..number).map(volume).collect()
}

fn gone(number: u32) -> Record {
    volume(number).into_phase(Phase::Releasing, Timestamp::from_secs(1_700_000_000))
}

fn with_variables() -> Record {
    let mut record = volume(0);
    let plan = record
        .plan
        .to_json()
        .replace(r#""files""#, r#""env":[{"name":"A","key":"a"}],"files""#);
    record.plan = Plan::parse(&plan).unwrap();
    record
}

async fn minutes(minutes: u64) {
    sleep(Duration::from_secs(60 * minutes)).await;
}

async fn seconds(seconds: u64) {
    sleep(Duration::from_secs(seconds)).await;
}

const ROTATE: Action = Action::Rotate { asked: false };

#[tokio::test(start_paused = true)]
async fn what_volumes_show_is_reported_at_the_start_and_then_every_half_minute() {
    let scene = Scene::of(volumes(3));
    minutes(5).await;
    let reports = scene.reports();
    assert!(reports[0].0 < Duration::from_secs(1), "{reports:?}");
    assert!((11..=13).contains(&reports.len()), "{reports:?}");
    assert!(reports.iter().all(|(_, volumes)| *volumes == 3), "{reports:?}");
    assert!(scene.metric(r#"node_volumes{delivery="node"} 3"#));
    assert!(scene.rotations().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_volume_is_rotated_as_soon_as_the_server_says_so_and_a_token_is_at_hand() {
    let scene = Scene::of(volumes(1));
    scene.set(|inner| inner.action = ROTATE);
    minutes(10).await;
    assert!(
        scene.rotations().is_empty(),
        "after a restart there is no token yet"
    );
    scene.set(|inner| inner.action = Action::Keep);
    minutes(1).await;
    scene.republish();
    minutes(1).await;
    assert!(scene.rotations().is_empty(), "the server has changed its mind");
    scene.set(|inner| inner.action = ROTATE);
    let before = scene.fake.begun.elapsed();
    seconds(31).await;
    assert!(!scene.rotations().is_empty());
    assert!(scene.rotations()[0] - before <= Duration::from_secs(30));
    assert!(scene.metric(r#"node_rotations_total{result="ok"} 1"#));
}

#[tokio::test(start_paused = true)]
async fn a_token_that_has_run_out_is_not_shown_and_the_next_poke_rotates_at_once() {
    let scene = Scene::of(volumes(1));
    scene.set(|inner| {
        inner.action = ROTATE;
        inner.has_token = false;
    });
    scene.republish();
    minutes(2).await;
    assert!(scene.rotations().is_empty());
    scene.set(|inner| inner.has_token = true);
    seconds(5).await;
    assert!(scene.rotations().is_empty());
    let at = scene.fake.begun.elapsed();
    scene.republish();
    seconds(1).await;
    assert_eq!(scene.rotations(), [at]);
}

#[tokio::test(start_paused = true)]
async fn a_failed_rotation_is_repeated_with_longer_and_longer_waits_and_not_at_every_poke() {
    let mut scene = Scene::of(volumes(1));
    scene.republish();
    scene.set(|inner| {
        inner.action = ROTATE;
        inner.fails = Some(Retry::Backoff);
    });
    for _ in 0..60 {
        minutes(1).await;
        scene.republish();
    }
    let rotations = scene.rotations();
    assert!((15..=35).contains(&rotations.len()), "{rotations:?}");
    assert_eq!(scene.events(), []);
    scene.set(|inner| inner.fails = None);
    minutes(6).await;
    assert!(
        scene.metric(r#"node_rotations_total{result="ok"} 1"#) || scene.rotations().len() > rotations.len()
    );
}

#[tokio::test(start_paused = true)]
async fn what_would_fail_again_is_told_to_the_pod() {
    let mut scene = Scene::of(volumes(1));
    scene.republish();
    scene.set(|inner| {
        inner.action = ROTATE;
        inner.fails = Some(Retry::Never);
    });
    minutes(1).await;
    let events = scene.events();
    assert_eq!(events.len(), 1, "{events:?}");
    assert_eq!(
        events[0],
        (
            Reason::RotationFailed,
            "binding `db` keeps the credential that it has: the backend refuses".to_owned()
        )
    );
    assert!(scene.metric(r#"node_errors_total{step="rotate",kind="refused"} 1"#));
}

#[tokio::test(start_paused = true)]
async fn eight_volumes_are_rotated_at_once_and_no_more() {
    let scene = Scene::of(volumes(30));
    scene.republish();
    scene.set(|inner| inner.action = ROTATE);
    scene.fake.permits.forget_permits(1000);
    minutes(3).await;
    assert_eq!(scene.rotations().len(), 8);
    scene.fake.permits.add_permits(12);
    seconds(1).await;
    assert_eq!(scene.rotations().len(), 20);
    assert_eq!(scene.fake.with(|inner| inner.most_at_once), 8);
}

#[tokio::test(start_paused = true)]
async fn a_credential_that_the_server_does_not_know_is_replaced_once() {
    let scene = Scene::of(volumes(1));
    scene.republish();
    scene.set(|inner| inner.action = Action::Unknown);
    minutes(10).await;
    assert_eq!(scene.rotations().len(), 1);
    // Once it is known, that is over.
    scene.set(|inner| inner.action = Action::Keep);
    minutes(1).await;
    scene.set(|inner| inner.action = Action::Unknown);
    minutes(10).await;
    assert_eq!(scene.rotations().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_binding_with_variables_is_not_rotated_and_its_end_is_told_once() {
    let mut scene = Scene::of(vec![with_variables()]);
    scene.republish();
    scene.set(|inner| {
        inner.action = ROTATE;
        inner.left = Some(Duration::from_secs(1200));
    });
    minutes(2).await;
    assert!(scene.rotations().is_empty());
    let events = scene.events();
    assert_eq!(events.len(), 1, "{events:?}");
    assert_eq!(events[0].0, Reason::NotRotated);
    assert!(events[0].1.contains("`db` ends in 20m"), "{}", events[0].1);
    assert!(scene.metric("node_left_to_end 1"));
    // By the wall clock, which stands still here.
    assert!(!scene.metric("node_first_end_seconds 0"));
}

#[tokio::test(start_paused = true)]
async fn a_server_that_is_down_for_hours_changes_nothing_until_a_credential_is_about_to_end() {
    let mut scene = Scene::of(volumes(1));
    scene.republish();
    seconds(1).await;
    scene.set(|inner| inner.is_down = true);
    minutes(54).await;
    assert_eq!(scene.events(), []);
    assert!(scene.rotations().is_empty());
    minutes(60).await;
    let events = scene.events();
    assert_eq!(events.len(), 1, "{events:?}");
    assert_eq!(events[0].0, Reason::CredentialEnding);
    assert!(events[0].1.contains("`db` ends in 5m"), "{}", events[0].1);
    assert!(
        events[0].1.contains("another call"),
        "it says why: {}",
        events[0].1
    );
    // It is heard of as soon as it is back.
    let reports = scene.reports();
    let last = reports.last().unwrap().0;
    assert!(scene.fake.begun.elapsed() - last <= Duration::from_secs(30));
}

#[tokio::test(start_paused = true)]
async fn what_ended_is_released_at_once_and_together() {
    let scene = Scene::of(volumes(5));
    seconds(5).await;
    for number in 0..3 {
        scene.end(number);
    }
    let at = scene.fake.begun.elapsed();
    seconds(1).await;
    let releases = scene.releases();
    assert_eq!(releases.len(), 1, "{releases:?}");
    assert_eq!(releases[0].1, 3);
    assert!(releases[0].0 - at <= Duration::from_millis(200));
    assert_eq!(scene.fake.records().len(), 2);
    assert!(scene.metric("node_release_queue_length 0"));
}

#[tokio::test(start_paused = true)]
async fn releases_of_an_earlier_process_are_sent_a_bounded_number_at_a_time() {
    let scene = Scene::of((0..600).map(gone).collect());
    seconds(2).await;
    let sizes: Vec<usize> = scene.releases().iter().map(|(_, size)| *size).collect();
    assert_eq!(sizes, [256, 256, 88]);
    assert!(scene.fake.records().is_empty());
}

#[tokio::test(start_paused = true)]
async fn releases_wait_for_a_server_that_is_down_and_are_seen_to_wait() {
    let scene = Scene::of(vec![gone(1), volume(2)]);
    scene.set(|inner| inner.is_down = true);
    minutes(60).await;
    let releases = scene.releases();
    assert!((15..=35).contains(&releases.len()), "{releases:?}");
    assert!(scene.metric("node_release_queue_length 1"));
    assert!(scene.metric("node_release_queue_age_seconds 60"));
    scene.set(|inner| inner.is_down = false);
    minutes(6).await;
    assert_eq!(scene.fake.records().len(), 1);
    assert!(scene.metric("node_release_queue_length 0"));
}

#[tokio::test(start_paused = true)]
async fn a_daemon_whose_records_are_lost_releases_nothing() {
    let scene = Scene::of(Vec::new());
    minutes(60).await;
    assert_eq!(scene.reports(), []);
    assert_eq!(scene.releases(), []);
}

#[tokio::test(start_paused = true)]
async fn a_volume_that_is_published_again_is_not_released() {
    let scene = Scene::of(vec![gone(1)]);
    scene.set(|inner| inner.is_down = true);
    seconds(2).await;
    scene.set(|inner| {
        inner.records[0].phase = Phase::Publishing;
        inner.is_down = false;
        inner.releases.clear();
    });
    minutes(10).await;
    assert_eq!(scene.releases(), []);
    assert!(!scene.keeper.is_finished());
}
