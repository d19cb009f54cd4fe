//! A revocation and the issues of its binding that are under way.

use std::sync::OnceLock;

use esi_core::names::ObjectName;
use esi_core::{Classify as _, Code, NoCheckpoint, Retry, SystemClock};
use esi_generators::Generators;
use esi_ledger::port::{EndReason, Selector};
use esi_ledger::sqlite::SqliteStore;
use esi_ledger::worker::{Worker, WorkerConfig};
use esi_resources::authorization::{Authorization, FederationRef, Subject};
use esi_resources::catalog::{Catalog, SnapshotBuilder};
use esi_resources::generator::{FakeSpec, GeneratorSpec};
use tempfile::TempDir;

use super::*;

const GENERATOR: &str = "Fake/demo/x";
const SUBJECT: &str = "system:serviceaccount:demo:app";

/// An issuer over a real ledger, whose one generator answers at once.
struct World {
    issuer: Arc<Issuer>,
    store: Arc<dyn Store>,
    _dir: TempDir,
}

impl World {
    fn new(checkpoint: Arc<dyn Checkpoint>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let clock = Arc::new(SystemClock);
        let store = SqliteStore::open(&dir.path().join("ledger.db"), Arc::clone(&clock) as _).unwrap();
        let store: Arc<dyn Store> = Arc::new(store);
        let spec = FakeSpec {
            controller: None,
            data: [("password".to_owned(), "x".to_owned())].into(),
        };
        let snapshot = SnapshotBuilder::new()
            .generator(GENERATOR.parse().unwrap(), GeneratorSpec::Fake(spec))
            .authorization(authorization())
            .build();
        let generators = Generators::new(Arc::new(NoCheckpoint));
        let backends = Arc::new(Backends::new(Catalog::fixed(snapshot), generators));
        let (_, waker) = Worker::new(
            Arc::clone(&store),
            Arc::clone(&backends) as _,
            clock,
            WorkerConfig::default(),
            esi_ledger::Metrics::register(&mut prometheus_client::registry::Registry::default()),
        );
        let parts = Parts {
            store: Arc::clone(&store),
            backends,
            waker,
            checkpoint,
        };
        Self {
            issuer: Arc::new(Issuer::new(parts, IssueLimits::default(), TaskTracker::new())),
            store,
            _dir: dir,
        }
    }

    async fn revoke(&self) -> usize {
        self.issuer.revoke_waiting(&key(), None);
        let selector = Selector::Binding(key());
        self.store.end(selector, EndReason::Requested).await.unwrap()
    }

    async fn turn(&self) -> Place {
        let mut place = self.issuer.locks.enter(&key(), None);
        place.turn().await;
        place
    }

    async fn revoke_during(&self, turn: Place) -> usize {
        let ended = self.revoke().await;
        drop(turn);
        ended
    }
}

fn authorization() -> Authorization {
    Authorization {
        name: "app".parse().unwrap(),
        federation: FederationRef {
            kind: "KubernetesFederation".parse().unwrap(),
            name: "dev".parse().unwrap(),
        },
        subject: Subject::Oidc {
            issuer: "https://dev".to_owned(),
            subject: SUBJECT.to_owned(),
        },
        allowed_generators: vec![GENERATOR.parse().unwrap()],
        allowed_cluster_secret_stores: vec![],
        allowed_generator_states: vec![],
        max_ttl: None,
    }
}

fn request() -> IssueRequest {
    let pod: (ObjectName, _) = ("app-0".parse().unwrap(), "1".parse().unwrap());
    let principal = Principal {
        federation: "dev".parse().unwrap(),
        issuer: "https://dev".to_owned(),
        subject: SUBJECT.to_owned(),
        namespace: "demo".parse().unwrap(),
        service_account: "app".parse().unwrap(),
        pod: Some(pod),
        node: None,
    };
    IssueRequest {
        workload: principal.workload(None).unwrap(),
        principal,
        generator: GENERATOR.parse().unwrap(),
        binding: "db".parse().unwrap(),
        request_id: RequestId::random(),
        ttl: None,
        overlap: None,
    }
}

fn key() -> BindingKey {
    request().workload.key(&request().binding)
}

#[tokio::test]
async fn a_revocation_refuses_those_that_wait_for_their_turn_and_nobody_who_comes_later() {
    let world = World::new(Arc::new(NoCheckpoint));
    let revoke = world.revoke_during(world.turn().await);
    let (waiting, ended) = tokio::join!(world.issuer.issue(request()), revoke);
    assert_eq!(ended, 0);
    let error = waiting.unwrap_err();
    assert_eq!((error.code(), error.retry()), (Code::Aborted, Retry::Backoff));
    assert!(
        world.store.newest(&key()).await.unwrap().is_none(),
        "nothing was begun"
    );
    world.issuer.issue(request()).await.unwrap();
}

#[tokio::test]
async fn a_release_by_the_workloads_node_refuses_those_that_wait_and_one_by_another_node_does_not() {
    for (by, refused) in [("n1", true), ("n2", false)] {
        let world = World::new(Arc::new(NoCheckpoint));
        let mut request = request();
        request.workload.node = Some("n1".parse().unwrap());
        let turn = world.turn().await;
        let release = async {
            let by: ObjectName = by.parse().unwrap();
            world.issuer.revoke_waiting(&key(), Some(&by));
            drop(turn);
        };
        let (issued, ()) = tokio::join!(world.issuer.issue(request), release);
        assert_eq!(issued.is_err(), refused, "{by}: {issued:?}");
    }
}

/// Revokes at the moment between the intent and the mint, before the ledger is told.
#[derive(Debug, Default)]
struct RevokeOnceBegun(OnceLock<Arc<Issuer>>);

impl Checkpoint for RevokeOnceBegun {
    fn reach(&self, step: &'static str) {
        if step == "issue/begun"
            && let Some(issuer) = self.0.get()
        {
            issuer.revoke_waiting(&key(), None);
        }
    }
}

#[tokio::test]
async fn a_revocation_that_comes_while_an_issue_is_begun_leaves_nothing_live() {
    let checkpoint = Arc::new(RevokeOnceBegun::default());
    let world = World::new(Arc::clone(&checkpoint) as _);
    checkpoint.0.set(Arc::clone(&world.issuer)).unwrap();
    let error = world.issuer.issue(request()).await.unwrap_err();
    assert_eq!(error.code(), Code::Aborted);
    let lease = world.store.newest(&key()).await.unwrap().unwrap();
    assert_eq!(lease.state, State::Sweeping, "what may have been minted is swept");
}
