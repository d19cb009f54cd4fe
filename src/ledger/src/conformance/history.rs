//! Random histories, with a clock that jumps and a server that restarts; the promises are checked after each step.

use std::collections::{BTreeMap, HashSet};

use esi_core::{BindingKey, Clock as _, Ends, Generation, LeaseId};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::{Bed, CLAIM, Ledger, TTL, activation, handle, key, new_lease, secs, volume};
use crate::error::StoreError;
use crate::port::{Activation, Claim, EndReason, InUse, Lease, Selector, State, Work};

const BINDINGS: u8 = 2;
/// Histories per run. Each has up to [`STEPS`] steps.
const HISTORIES: u32 = 96;
const STEPS: usize = 80;

/// One step. A lease or claim is any of those that there were so far, by number.
#[derive(Debug, Clone)]
enum Step {
    Begin(u8),
    Record(usize),
    Activate {
        lease: usize,
        acknowledged: bool,
        at_expiry: bool,
        renewable: bool,
    },
    Abandon(usize),
    Acknowledge {
        binding: u8,
        back: u64,
    },
    InUse {
        binding: u8,
        back: u64,
        minutes: u64,
    },
    EndLease(usize),
    EndBinding(u8),
    EndVolume {
        binding: u8,
        back: u64,
        here: bool,
    },
    AskRotation(u8),
    Claim(usize),
    Settle {
        claim: usize,
        how: Settle,
    },
    Retry(usize),
    Forward(u64),
    Back(u64),
    Reopen,
}

#[derive(Debug, Clone, Copy)]
enum Settle {
    Done,
    Renewed,
    NotRenewable,
    AccessEnded,
    RetryLater,
    Dead,
}

fn step() -> impl Strategy<Value = Step> {
    let how = prop_oneof![
        4 => Just(Settle::Done),
        2 => Just(Settle::Renewed),
        1 => Just(Settle::NotRenewable),
        1 => Just(Settle::AccessEnded),
        2 => Just(Settle::RetryLater),
        1 => Just(Settle::Dead),
    ];
    let binding = 0..BINDINGS;
    let number = any::<usize>();
    prop_oneof![
        6 => binding.clone().prop_map(Step::Begin),
        2 => number.prop_map(Step::Record),
        // Mostly the newest, as in life.
        6 => (prop_oneof![Just(usize::MAX), number], any::<bool>(), any::<bool>(), any::<bool>()).prop_map(
            |(lease, acknowledged, at_expiry, renewable)| Step::Activate { lease, acknowledged, at_expiry, renewable }
        ),
        1 => number.prop_map(Step::Abandon),
        3 => (binding.clone(), 0_u64..3).prop_map(|(binding, back)| Step::Acknowledge { binding, back }),
        2 => (binding.clone(), 0_u64..3, 1_u64..120)
            .prop_map(|(binding, back, minutes)| Step::InUse { binding, back, minutes }),
        1 => number.prop_map(Step::EndLease),
        1 => binding.clone().prop_map(Step::EndBinding),
        1 => (binding.clone(), 0_u64..3, any::<bool>())
            .prop_map(|(binding, back, here)| Step::EndVolume { binding, back, here }),
        1 => binding.prop_map(Step::AskRotation),
        4 => (1_usize..5).prop_map(Step::Claim),
        5 => (number, how).prop_map(|(claim, how)| Step::Settle { claim, how }),
        1 => number.prop_map(Step::Retry),
        4 => prop_oneof![0_u64..60, 0_u64..7200].prop_map(Step::Forward),
        1 => (0_u64..7200).prop_map(Step::Back),
        1 => Just(Step::Reopen),
    ]
}

/// What an observer from outside remembers.
#[derive(Debug, Default)]
struct Memory {
    begun: Vec<(LeaseId, BindingKey)>,
    newest: BTreeMap<BindingKey, Generation>,
    claims: Vec<Claim>,
    settled: HashSet<(LeaseId, i64)>,
    /// Leases that were seen not to live any more.
    ended: HashSet<LeaseId>,
}

pub(crate) fn run<L: Ledger>(ledger: impl Fn() -> L) {
    let config = Config {
        cases: HISTORIES,
        failure_persistence: None,
        ..Config::default()
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    TestRunner::new(config)
        .run(&prop::collection::vec(step(), 1..STEPS), |steps| {
            runtime.block_on(play(&ledger(), steps));
            Ok(())
        })
        .unwrap();
}

async fn play(ledger: &dyn Ledger, steps: Vec<Step>) {
    let mut bed = Bed::new(ledger);
    let mut memory = Memory::default();
    for step in steps {
        if matches!(step, Step::Reopen) {
            let before = (bed.unfinished().await, bed.store.counts().await.unwrap());
            bed = bed.reopen(ledger);
            let after = (bed.unfinished().await, bed.store.counts().await.unwrap());
            assert_eq!(before, after, "a restart changes nothing");
        } else {
            take(&bed, &mut memory, step).await;
        }
        check(&bed, &mut memory).await;
    }
    run_out(&bed, &memory).await;
}

/// Only a refusal is an answer to a wrong step.
fn refused<T>(answer: Result<T, StoreError>) -> bool {
    match answer {
        Ok(_) => false,
        Err(StoreError::Superseded | StoreError::NotLive | StoreError::ClaimLost) => true,
        Err(other) => panic!("{other:?}"),
    }
}

async fn take(bed: &Bed, memory: &mut Memory, step: Step) {
    let store = &bed.store;
    let pick = |number: usize| match memory.begun.len() {
        0 => LeaseId::random(),
        len => {
            memory.begun[if number == usize::MAX {
                len - 1
            } else {
                number % len
            }]
            .0
        }
    };
    let name = |binding: u8| key(&binding.to_string());
    let back = |binding: u8, back: u64| {
        let newest = memory
            .newest
            .get(&name(binding))
            .map_or(0, |newest| newest.number());
        Generation::new(newest.saturating_sub(back))
    };
    match step {
        Step::Begin(binding) => begin(bed, memory, name(binding)).await,
        Step::Record(lease) => {
            refused(store.record(pick(lease), handle("half")).await);
        }
        Step::Activate {
            lease,
            acknowledged,
            at_expiry,
            renewable,
        } => {
            let landed = Activation {
                handle: handle(&format!("{lease}")),
                acknowledged,
                renewable,
                ends: if at_expiry { Ends::AtExpiry } else { Ends::AtOnce },
                ..activation()
            };
            if let Ok(lease) = store.activate(pick(lease), landed).await {
                assert_eq!(lease.state, State::Active);
            }
        }
        Step::Abandon(lease) => store.abandon(pick(lease)).await.unwrap(),
        Step::Acknowledge { binding, back: n } => {
            refused(store.acknowledge(&name(binding), back(binding, n)).await);
        }
        Step::InUse {
            binding,
            back: n,
            minutes,
        } => {
            let used = InUse {
                key: name(binding),
                generation: back(binding, n),
            };
            let until = bed.clock.now() + secs(minutes * 60);
            let leases = store.in_use(vec![used], until).await.unwrap();
            assert!(leases.into_iter().flatten().all(|lease| lease.acknowledged));
        }
        Step::EndLease(lease) => {
            store
                .end(Selector::Lease(pick(lease)), EndReason::Requested)
                .await
                .unwrap();
        }
        Step::EndBinding(binding) => {
            let selector = Selector::Binding(name(binding));
            store.end(selector, EndReason::WorkloadEnded).await.unwrap();
            assert!(live(bed, &name(binding)).await.is_empty());
        }
        Step::EndVolume {
            binding,
            back: by,
            here,
        } => {
            let (key, up_to) = (name(binding), back(binding, by));
            let before = live(bed, &key).await;
            let selector = volume(&key, if here { "node-1" } else { "node-2" }, Some(up_to));
            store.end(selector, EndReason::WorkloadEnded).await.unwrap();
            let after = live(bed, &key).await;
            assert!(!here || after.iter().all(|lease| lease.generation > up_to));
            let now = store.now();
            let spared = before.into_iter().filter(|lease| {
                let due = lease.state == State::Intent || lease.expires_at <= Some(now);
                !due && (!here || lease.generation > up_to)
            });
            for lease in spared {
                assert!(after.iter().any(|left| left.intent == lease.intent), "{lease:?}");
            }
        }
        Step::AskRotation(binding) => {
            let key = name(binding);
            store.ask_rotation(Selector::Binding(key.clone())).await.unwrap();
            let mut live = live(bed, &key).await;
            live.retain(|lease| lease.state == State::Active);
            assert!(live.iter().all(|lease| lease.rotation_asked), "{live:?}");
        }
        Step::Claim(limit) => {
            let batch = store.claim_due(limit, CLAIM).await.unwrap();
            assert!(batch.due.len() <= limit);
            assert!(batch.due.iter().all(|due| due.since <= batch.now));
            memory.claims.extend(batch.due.iter().map(|due| due.claim));
        }
        Step::Settle { claim, how } => settle(bed, memory, claim, how).await,
        Step::Retry(lease) => {
            store.retry(pick(lease)).await.unwrap();
        }
        Step::Forward(by) => bed.clock.advance(secs(by)),
        Step::Back(by) => bed.clock.set(bed.clock.now().before(secs(by))),
        Step::Reopen => {}
    }
}

async fn begin(bed: &Bed, memory: &mut Memory, key: BindingKey) {
    let seen = live(bed, &key)
        .await
        .into_iter()
        .rfind(|lease| lease.acknowledged);
    let begun = bed.store.begin(new_lease(&key)).await.unwrap();
    let before = memory.newest.insert(key.clone(), begun.generation);
    assert!(before < Some(begun.generation), "generations strictly increase");
    memory.begun.push((begun.intent.lease, key.clone()));
    // What is in use outlives the begin of the next one, unless its time was over.
    if let Some(seen) = seen {
        let now = bed.lease(seen.intent.lease).await;
        let over = now.end_reason == Some(EndReason::Expired) || seen.generation.next() < begun.generation;
        assert!(over || now.state == State::Active, "{now:?}");
    }
}

async fn settle(bed: &Bed, memory: &mut Memory, number: usize, how: Settle) {
    if memory.claims.is_empty() {
        return;
    }
    let claim = memory.claims[number % memory.claims.len()];
    let store = &bed.store;
    let answer = match how {
        Settle::Done => store.done(claim).await,
        Settle::Renewed => store.renewed(claim, TTL, None).await,
        Settle::NotRenewable => store.not_renewable(claim).await,
        Settle::AccessEnded => store.access_ended(claim).await,
        Settle::RetryLater => store.retry_later(claim, bed.clock.now() + secs(5), "down").await,
        Settle::Dead => store.dead(claim, "gone").await,
    };
    let id = (claim.lease, claim.fence);
    let settled_before = memory.settled.contains(&id);
    if !refused(answer) {
        assert!(!settled_before, "a settled claim gives no more rights");
        if !matches!(how, Settle::AccessEnded) {
            memory.settled.insert(id);
        }
    }
}

/// The live generations of a binding, oldest first.
async fn live(bed: &Bed, key: &BindingKey) -> Vec<Lease> {
    let mut live = bed.unfinished().await;
    live.retain(|lease| lease.key == *key && lease.state.is_live());
    live.sort_by_key(|lease| lease.generation);
    live
}

async fn check(bed: &Bed, memory: &mut Memory) {
    let unfinished = bed.unfinished().await;
    let present: HashSet<_> = unfinished.iter().map(|lease| lease.intent.lease).collect();
    for lease in &unfinished {
        let id = lease.intent.lease;
        let revived = lease.state.is_live() && memory.ended.contains(&id);
        assert!(!revived, "what has ended never lives again: {lease:?}");
        if !lease.state.is_live() {
            memory.ended.insert(id);
        }
        assert_eq!(lease.end_reason.is_some(), !lease.state.is_live(), "{lease:?}");
    }
    let finished = memory
        .begun
        .iter()
        .map(|(id, _)| *id)
        .filter(|id| !present.contains(id));
    memory.ended.extend(finished);

    for key in memory.newest.keys() {
        let live = live(bed, key).await;
        assert!(live.len() <= 2, "{live:?}");
        if let [older, newer] = live.as_slice() {
            assert!(
                older.acknowledged && older.state == State::Active,
                "nobody has seen {older:?} before {newer:?}"
            );
        }
    }
    let counts = bed.store.counts().await.unwrap();
    let open: u64 = counts
        .iter()
        .filter(|(state, _)| !state.is_final())
        .map(|(_, number)| number)
        .sum();
    assert_eq!(open, unfinished.len() as u64);
    assert_eq!(counts.values().sum::<u64>(), memory.begun.len() as u64);
}

/// Without any further event, every lease comes to an end by itself, but those that wait for a person.
async fn run_out(bed: &Bed, memory: &Memory) {
    for _ in 0..10_000 {
        let batch = bed.store.claim_due(100, CLAIM).await.unwrap();
        if batch.due.is_empty() {
            let Some(next) = batch.next else { break };
            bed.clock.set(next.max(bed.clock.now()));
        }
        for due in batch.due {
            match due.work {
                Work::Renew => bed.store.not_renewable(due.claim).await.unwrap(),
                Work::Revoke | Work::Sweep => bed.store.done(due.claim).await.unwrap(),
            }
        }
    }
    let left = bed.unfinished().await;
    assert!(left.iter().all(|lease| lease.state == State::Dead), "{left:?}");
    assert!(left.len() <= memory.begun.len());
}
