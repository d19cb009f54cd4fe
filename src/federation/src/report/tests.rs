//! Reports over a real ledger, by a clock that the tests move.

use std::collections::BTreeMap;

use esi_core::names::GeneratorRef;
use esi_core::{Ends, Generation, Handle, ManualClock, NoCheckpoint, RequestId, Timestamp};
use esi_generators::Generators;
use esi_ledger::port::{Activation, NewLease, Owner, Work};
use esi_ledger::sqlite::SqliteStore;
use esi_resources::authorization::{Authorization, FederationRef, Subject};
use esi_resources::catalog::{Catalog, SnapshotBuilder};
use esi_resources::federation::KubernetesFederation;
use tempfile::TempDir;

use super::*;

const START: Timestamp = Timestamp::from_secs(1_800_000_000);
const TTL: Duration = Duration::from_secs(120);

struct World {
    clock: Arc<ManualClock>,
    store: Arc<dyn Store>,
    reports: Reports,
    catalog: Catalog,
    _dir: TempDir,
}

impl World {
    /// Service account `demo/app` may use `Fake/demo/x`.
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let clock = Arc::new(ManualClock::at(START));
        let store = SqliteStore::open(&dir.path().join("ledger.db"), Arc::clone(&clock) as _).unwrap();
        let store: Arc<dyn Store> = Arc::new(store);
        let catalog = Catalog::fixed(
            SnapshotBuilder::new()
                .federation(federation())
                .authorization(authorization())
                .build(),
        );
        let backends = Backends::new(catalog.clone(), Generators::new(Arc::new(NoCheckpoint)));
        let reports = Reports::new(Arc::clone(&store), Arc::new(backends), Arc::clone(&clock) as _);
        Self {
            clock,
            store,
            reports,
            catalog,
            _dir: dir,
        }
    }

    /// An active, renewable lease of a pod, of two minutes.
    async fn lease(&self, pod: &str, change: impl FnOnce(&mut Owner)) -> Lease {
        let mut owner = Owner {
            namespace: "demo".parse().unwrap(),
            service_account: "app".parse().unwrap(),
            name: format!("app-{pod}"),
            node: Some("n1".parse().unwrap()),
        };
        change(&mut owner);
        let new = NewLease {
            key: key(pod),
            owner,
            generator: generator(),
            request_id: RequestId::random(),
            mint_within: TTL,
            visibility_lag: Duration::ZERO,
            overlap: Duration::from_secs(10),
        };
        let begun = self.store.begin(new).await.unwrap();
        let activation = Activation {
            handle: Handle::default().with("role", pod),
            expires_in: TTL,
            max_expires_in: None,
            renewable: true,
            ends: Ends::AtOnce,
            acknowledged: false,
        };
        self.store.activate(begun.intent.lease, activation).await.unwrap()
    }

    /// What the daemon of a node is told of these pods' first generations.
    async fn by_daemon(&self, node: &str, pods: &[&str]) -> Vec<Verdict> {
        let daemon = daemon(node);
        let agent = Arc::new(NodeAgent::of(&self.catalog.current(), &daemon).unwrap());
        let reported = pods.iter().map(|pod| Reported {
            shown: InUse {
                key: key(pod),
                generation: Generation::FIRST,
            },
            agent: Some(Arc::clone(&agent)),
        });
        self.reports.report(&daemon, reported.collect()).await.unwrap()
    }

    async fn action(&self, node: &str, pod: &str) -> Action {
        self.by_daemon(node, &[pod]).await[0].action
    }

    async fn now(&self, pod: &str) -> Lease {
        self.store.newest(&key(pod)).await.unwrap().unwrap()
    }

    /// What the ledger has a worker do now.
    async fn due(&self) -> BTreeMap<String, Work> {
        let batch = self.store.claim_due(100, TTL).await.unwrap();
        let due = batch
            .due
            .into_iter()
            .map(|due| (due.lease.key.instance, due.work));
        due.collect()
    }
}

fn key(pod: &str) -> BindingKey {
    let cluster = "dev".parse().unwrap();
    BindingKey::of_pod(&cluster, &pod.parse().unwrap(), &"db".parse().unwrap())
}

fn generator() -> GeneratorRef {
    "Fake/demo/x".parse().unwrap()
}

fn federation() -> KubernetesFederation {
    KubernetesFederation {
        name: "dev".parse().unwrap(),
        url: None,
        ca_bundle: None,
        issuer: Some("https://dev".to_owned()),
        audiences: vec![],
        jwks: None,
        node_agents: vec!["esi/node".to_owned().try_into().unwrap()],
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
            subject: "system:serviceaccount:demo:app".to_owned(),
        },
        allowed_generators: vec![generator()],
        allowed_cluster_secret_stores: vec![],
        allowed_generator_states: vec![],
        max_ttl: None,
    }
}

fn principal(service_account: &str, namespace: &str, pod: &str, node: &str) -> Principal {
    Principal {
        federation: "dev".parse().unwrap(),
        issuer: "https://dev".to_owned(),
        subject: format!("system:serviceaccount:{namespace}:{service_account}"),
        namespace: namespace.parse().unwrap(),
        service_account: service_account.parse().unwrap(),
        pod: Some((pod.parse().unwrap(), pod.parse().unwrap())),
        node: Some(node.parse().unwrap()),
    }
}

fn daemon(node: &str) -> Principal {
    principal("node", "esi", &format!("esi-node-{node}"), node)
}

#[tokio::test]
async fn a_daemons_reports_keep_a_lease_alive_and_each_does_so_for_95_seconds() {
    let world = World::new();
    world.lease("reported", |_| {}).await;
    world.lease("silent", |_| {}).await;
    assert_eq!(world.action("n1", "reported").await, Action::Keep);
    assert!(world.now("reported").await.acknowledged, "it is shown");
    world.clock.advance(Duration::from_secs(60));
    let renewed = BTreeMap::from([("pod:reported".to_owned(), Work::Renew)]);
    assert_eq!(
        world.due().await,
        renewed,
        "the one that nobody reports is not renewed"
    );

    // Nothing ends because a report leaves it out; it runs to its time to live.
    world.clock.advance(Duration::from_secs(34));
    let alive = world.now("reported").await.alive_until.unwrap();
    assert_eq!(alive, START + ALIVE_FOR);
    assert_eq!(world.action("n1", "reported").await, Action::Keep);
    assert_eq!(
        world.now("reported").await.alive_until,
        Some(START + Duration::from_secs(94) + ALIVE_FOR)
    );
    assert_eq!(world.now("silent").await.state, State::Active);
    assert!(world.now("silent").await.alive_until.is_none());
}

#[tokio::test]
async fn a_daemon_does_not_learn_what_is_there_beyond_its_node() {
    let world = World::new();
    world.lease("there", |_| {}).await;
    world.lease("no-node", |owner| owner.node = None).await;
    let verdicts = world.by_daemon("n2", &["there", "nowhere", "no-node"]).await;
    assert_eq!(verdicts, [Verdict::UNKNOWN; 3]);
    let lease = world.now("there").await;
    assert!(
        lease.alive_until.is_none() && !lease.acknowledged,
        "nor does it do anything"
    );
    // Not even the node itself speaks for a pod whose token named no node.
    assert_eq!(world.action("n1", "no-node").await, Action::Unknown);
}

#[tokio::test]
async fn one_report_tells_of_each_binding_in_its_place() {
    let world = World::new();
    for pod in ["a", "b", "c"] {
        world.lease(pod, |_| {}).await;
    }
    let ended = esi_ledger::port::Selector::Binding(key("b"));
    world
        .store
        .end(ended, esi_ledger::port::EndReason::Requested)
        .await
        .unwrap();
    let verdicts = world.by_daemon("n1", &["b", "a", "nowhere", "c"]).await;
    let actions: Vec<_> = verdicts.iter().map(|verdict| verdict.action).collect();
    assert_eq!(
        actions,
        [Action::Rotate, Action::Keep, Action::Unknown, Action::Keep]
    );
    assert_eq!(verdicts[0], Verdict::OVER, "it was there, and is over");
    assert!(verdicts[1].life.is_some());
}

#[tokio::test]
async fn a_daemon_keeps_nothing_alive_to_which_its_workload_has_no_right() {
    let world = World::new();
    world
        .lease("a", |owner| owner.service_account = "other".parse().unwrap())
        .await;
    let verdict = world.by_daemon("n1", &["a"]).await[0];
    assert_eq!(verdict.action, Action::Keep, "it runs out");
    assert!(!verdict.life.unwrap().renewable);
    assert!(world.now("a").await.alive_until.is_none());
}

#[tokio::test]
async fn a_rotation_that_was_asked_for_is_told_until_a_newer_generation_is_shown() {
    let world = World::new();
    world.lease("a", |_| {}).await;
    assert_eq!(world.action("n1", "a").await, Action::Keep);
    let selector = esi_ledger::port::Selector::Binding(key("a"));
    world.store.ask_rotation(selector).await.unwrap();
    assert_eq!(world.action("n1", "a").await, Action::RotateAsked);
    let next = world.lease("a", |_| {}).await;
    assert_eq!(world.action("n1", "a").await, Action::RotateAsked);
    let agent = NodeAgent::of(&world.catalog.current(), &daemon("n1")).unwrap();
    let shown = Reported {
        shown: InUse {
            key: key("a"),
            generation: next.generation,
        },
        agent: Some(Arc::new(agent)),
    };
    let told = world.reports.report(&daemon("n1"), vec![shown]).await.unwrap();
    assert_eq!(told[0].action, Action::Keep);
}

#[tokio::test]
async fn a_workload_that_speaks_for_itself_is_told_to_rotate_what_is_not_there() {
    let world = World::new();
    world.lease("a", |owner| owner.node = None).await;
    let report = async |pod: &str| {
        let own = Reported {
            shown: InUse {
                key: key(pod),
                generation: Generation::FIRST,
            },
            agent: None,
        };
        let caller = principal("app", "demo", pod, "n1");
        world.reports.report(&caller, vec![own]).await.unwrap()[0]
    };
    assert_eq!(report("a").await.action, Action::Keep);
    assert_eq!(report("nowhere").await, Verdict::OVER);
}
