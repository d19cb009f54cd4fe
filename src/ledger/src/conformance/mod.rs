//! What every store must do, as tests over any store: run by each store's own tests.
//!
//! `rules` states the promises to bindings one by one, `volumes` those to nodes and to whoever asks for a rotation,
//! `claims` those to the worker; `history`
//! plays random histories and checks the promises after each step.

mod claims;
mod history;
mod rules;
mod volumes;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use esi_core::{BindingKey, Clock, Ends, Generation, Handle, LeaseId, ManualClock, RequestId, Timestamp};

use crate::port::{Activation, Begun, Due, InUse, Lease, NewLease, Owner, Selector, State, Store};

pub(crate) use claims::run as claims;
pub(crate) use history::run as history;
pub(crate) use rules::run as rules;
pub(crate) use volumes::run as volumes;

/// A ledger that can be opened again and again: what is in it outlives its store.
pub(crate) trait Ledger: fmt::Debug + Send + Sync {
    fn open(&self, clock: Arc<dyn Clock>) -> Box<dyn Store>;
}

pub(crate) const START: Timestamp = Timestamp::from_secs(1_000_000);
pub(crate) const MINT: Duration = Duration::from_secs(30);
pub(crate) const LAG: Duration = Duration::from_secs(10);
pub(crate) const OVERLAP: Duration = Duration::from_secs(60);
pub(crate) const TTL: Duration = Duration::from_secs(3600);
pub(crate) const CLAIM: Duration = Duration::from_secs(120);

pub(crate) const fn secs(number: u64) -> Duration {
    Duration::from_secs(number)
}

pub(crate) fn key(instance: &str) -> BindingKey {
    BindingKey {
        cluster: "prod".parse().unwrap(),
        instance: format!("pod:{instance}"),
        binding: "db".parse().unwrap(),
    }
}

pub(crate) fn new_lease(key: &BindingKey) -> NewLease {
    NewLease {
        key: key.clone(),
        owner: Owner {
            namespace: "shop".parse().unwrap(),
            service_account: "web".parse().unwrap(),
            name: "web-0".to_owned(),
            node: Some("node-1".parse().unwrap()),
        },
        generator: "PostgreSQL/platform/shop".parse().unwrap(),
        request_id: RequestId::random(),
        mint_within: MINT,
        visibility_lag: LAG,
        overlap: OVERLAP,
    }
}

pub(crate) fn handle(name: &str) -> Handle {
    Handle::default().with("role", name)
}

/// What the volume of `key` on `node` showed.
pub(crate) fn volume(key: &BindingKey, node: &str, up_to: Option<Generation>) -> Selector {
    Selector::Volume {
        key: key.clone(),
        node: node.parse().unwrap(),
        up_to,
    }
}

/// What a backend grants by default: an hour, renewable without end, revocable at once, not yet seen.
pub(crate) fn activation() -> Activation {
    Activation {
        handle: handle("r"),
        expires_in: TTL,
        max_expires_in: None,
        renewable: true,
        ends: Ends::AtOnce,
        acknowledged: false,
    }
}

pub(crate) fn acknowledged() -> Activation {
    Activation {
        acknowledged: true,
        ..activation()
    }
}

/// A store under test with its clock.
#[derive(Debug)]
pub(crate) struct Bed {
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) store: Box<dyn Store>,
}

impl Bed {
    pub(crate) fn new(ledger: &dyn Ledger) -> Self {
        let clock = Arc::new(ManualClock::at(START));
        let store = ledger.open(Arc::clone(&clock) as Arc<dyn Clock>);
        Self { clock, store }
    }

    /// As after a restart of the server.
    pub(crate) fn reopen(self, ledger: &dyn Ledger) -> Self {
        drop(self.store);
        let store = ledger.open(Arc::clone(&self.clock) as Arc<dyn Clock>);
        Self {
            clock: self.clock,
            store,
        }
    }

    pub(crate) async fn begin(&self, key: &BindingKey) -> Begun {
        self.store.begin(new_lease(key)).await.unwrap()
    }

    pub(crate) async fn active(&self, key: &BindingKey, activation: Activation) -> Lease {
        let begun = self.begin(key).await;
        self.store.activate(begun.intent.lease, activation).await.unwrap()
    }

    pub(crate) async fn alive(&self, lease: &Lease, span: Duration) {
        let used = InUse {
            key: lease.key.clone(),
            generation: lease.generation,
        };
        let until = self.clock.now() + span;
        self.store.in_use(vec![used], until).await.unwrap();
    }

    pub(crate) async fn end(&self, lease: &Lease) -> usize {
        let selector = Selector::Lease(lease.intent.lease);
        self.store
            .end(selector, crate::port::EndReason::Requested)
            .await
            .unwrap()
    }

    pub(crate) async fn due(&self) -> Vec<Due> {
        self.store.claim_due(1000, CLAIM).await.unwrap().due
    }

    /// The one lease that is due.
    pub(crate) async fn one_due(&self) -> Due {
        let mut due = self.due().await;
        assert_eq!(due.len(), 1, "{due:?}");
        due.remove(0)
    }

    pub(crate) async fn next_due(&self) -> Option<Timestamp> {
        self.store.claim_due(1000, CLAIM).await.unwrap().next
    }

    /// Every lease that is not final.
    pub(crate) async fn unfinished(&self) -> Vec<Lease> {
        self.store.unfinished(None, 10_000).await.unwrap()
    }

    pub(crate) async fn lease(&self, id: LeaseId) -> Lease {
        self.find(id).await.expect("the lease is final")
    }

    pub(crate) async fn find(&self, id: LeaseId) -> Option<Lease> {
        self.unfinished()
            .await
            .into_iter()
            .find(|lease| lease.intent.lease == id)
    }

    pub(crate) async fn state(&self, key: &BindingKey) -> State {
        self.store.newest(key).await.unwrap().unwrap().state
    }

    /// Generations of the binding in that state.
    pub(crate) async fn generations(&self, key: &BindingKey, state: State) -> Vec<Generation> {
        let mut all: Vec<_> = self
            .unfinished()
            .await
            .into_iter()
            .filter(|lease| lease.key == *key && lease.state == state)
            .map(|lease| lease.generation)
            .collect();
        all.sort();
        all
    }
}
