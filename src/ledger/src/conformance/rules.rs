//! The life of a binding: begin, activate, acknowledge, end.

use esi_core::{Ends, Generation, Handle, LeaseId};

use super::{
    Bed, LAG, Ledger, MINT, OVERLAP, START, TTL, acknowledged, activation, handle, key, new_lease, secs,
};
use crate::error::StoreError;
use crate::port::{Activation, EndReason, InUse, Selector, State, Work};

/// Each rule on a ledger of its own.
pub(crate) async fn run<L: Ledger>(ledger: impl Fn() -> L + Send + Sync) {
    an_intent_is_counted_from_one_and_becomes_active(&ledger()).await;
    the_installation_and_every_lease_survive_a_restart(&ledger()).await;
    a_generation_nobody_has_seen_ends_when_a_newer_one_is_begun(&ledger()).await;
    the_acknowledged_generation_lives_until_the_newer_one_is_seen_and_the_overlap_is_over(&ledger()).await;
    the_acknowledged_generation_lives_on_if_the_newer_one_is_abandoned(&ledger()).await;
    a_second_begin_keeps_exactly_the_acknowledged_one(&ledger()).await;
    a_begin_during_the_overlap_ends_the_older_one(&ledger()).await;
    an_activation_that_nobody_needs_to_see_starts_the_overlap_itself(&ledger()).await;
    use_counts_as_acknowledgement_and_answers_only_for_what_is_live(&ledger()).await;
    what_is_not_live_cannot_be_acknowledged(&ledger()).await;
    a_mint_that_lands_late_is_recorded_and_revoked_at_once(&ledger()).await;
    a_mint_that_lands_after_its_sweep_is_revoked_all_the_same(&ledger()).await;
    a_handle_that_comes_late_is_swept_at_once(&ledger()).await;
    an_activation_repeated_is_no_second_mint(&ledger()).await;
    a_handle_too_large_is_refused_and_nothing_changes(&ledger()).await;
    an_end_is_idempotent_and_ends_what_its_selector_names(&ledger()).await;
    three_thousand_restarts_leave_one_live_lease(&ledger()).await;
    the_unfinished_are_listed_in_pages_in_order(&ledger()).await;
}

async fn an_intent_is_counted_from_one_and_becomes_active(ledger: &dyn Ledger) {
    let bed = Bed::new(ledger);
    let begun = bed.begin(&key("a")).await;
    assert_eq!(begun.generation, Generation::FIRST);
    assert_eq!(&begun.intent.installation, bed.store.installation());
    bed.store
        .record(begun.intent.lease, handle("half"))
        .await
        .unwrap();
    assert_eq!(bed.lease(begun.intent.lease).await.handle, Some(handle("half")));

    let max_expires_in = Some(TTL * 3);
    let lease = bed
        .store
        .activate(
            begun.intent.lease,
            Activation {
                max_expires_in,
                ..activation()
            },
        )
        .await
        .unwrap();
    assert_eq!(lease.state, State::Active);
    assert_eq!(lease.handle, Some(handle("r")));
    assert_eq!(lease.expires_at, Some(START + TTL));
    assert_eq!(lease.max_expires_at, Some(START + TTL * 3));
    assert!(!lease.acknowledged);
    let counts = bed.store.counts().await.unwrap();
    assert_eq!((counts[&State::Active], counts[&State::Intent]), (1, 0));
}

async fn the_installation_and_every_lease_survive_a_restart(ledger: &dyn Ledger) {
    let bed = Bed::new(ledger);
    let installation = bed.store.installation().clone();
    let active = bed.active(&key("a"), acknowledged()).await;
    bed.alive(&active, TTL).await;
    bed.begin(&key("a")).await;
    let ended = bed.active(&key("b"), activation()).await;
    bed.end(&ended).await;
    let before = bed.unfinished().await;
    let counts = bed.store.counts().await.unwrap();

    let bed = bed.reopen(ledger);
    assert_eq!(bed.store.installation(), &installation);
    assert_eq!(bed.unfinished().await, before);
    assert_eq!(bed.store.counts().await.unwrap(), counts);
}

async fn a_generation_nobody_has_seen_ends_when_a_newer_one_is_begun(ledger: &dyn Ledger) {
    let bed = Bed::new(ledger);
    let first = bed.active(&key("a"), activation()).await;
    let second = bed.begin(&key("a")).await;
    let third = bed.begin(&key("a")).await;
    assert_eq!(third.generation, Generation::new(3));

    let first = bed.lease(first.intent.lease).await;
    assert_eq!(
        (first.state, first.end_reason),
        (State::Revoking, Some(EndReason::Superseded))
    );
    assert_eq!(bed.lease(second.intent.lease).await.state, State::Sweeping);
    assert_eq!(bed.lease(third.intent.lease).await.state, State::Intent);
}

async fn the_acknowledged_generation_lives_until_the_newer_one_is_seen_and_the_overlap_is_over(
    ledger: &dyn Ledger,
) {
    let bed = Bed::new(ledger);
    let old = bed.active(&key("a"), acknowledged()).await;
    let new = bed.active(&key("a"), activation()).await;
    bed.clock.advance(OVERLAP * 5);
    bed.due().await;
    assert_eq!(bed.lease(old.intent.lease).await.state, State::Active);

    bed.store.acknowledge(&new.key, new.generation).await.unwrap();
    bed.clock.advance(OVERLAP - secs(1));
    // Saying it again does not prolong the overlap.
    bed.store.acknowledge(&new.key, new.generation).await.unwrap();
    assert!(bed.due().await.is_empty());
    bed.clock.advance(secs(1));
    let due = bed.one_due().await;
    assert_eq!((due.work, due.lease.generation), (Work::Revoke, old.generation));
    assert_eq!(due.lease.end_reason, Some(EndReason::Superseded));
}

async fn the_acknowledged_generation_lives_on_if_the_newer_one_is_abandoned(ledger: &dyn Ledger) {
    let bed = Bed::new(ledger);
    let old = bed.active(&key("a"), acknowledged()).await;
    let new = bed.begin(&key("a")).await;
    bed.store.abandon(new.intent.lease).await.unwrap();
    bed.clock.advance(OVERLAP * 5);
    let due = bed.one_due().await;
    assert_eq!(
        (due.work, due.lease.intent.lease),
        (Work::Sweep, new.intent.lease)
    );
    assert_eq!(bed.lease(old.intent.lease).await.state, State::Active);
}

async fn a_second_begin_keeps_exactly_the_acknowledged_one(ledger: &dyn Ledger) {
    let bed = Bed::new(ledger);
    let seen = bed.active(&key("a"), acknowledged()).await;
    bed.active(&key("a"), activation()).await;
    bed.begin(&key("a")).await;
    assert_eq!(bed.generations(&key("a"), State::Active).await, [seen.generation]);
    assert_eq!(
        bed.generations(&key("a"), State::Intent).await,
        [Generation::new(3)]
    );
}

async fn a_begin_during_the_overlap_ends_the_older_one(ledger: &dyn Ledger) {
    let bed = Bed::new(ledger);
    bed.active(&key("a"), acknowledged()).await;
    let second = bed.active(&key("a"), acknowledged()).await;
    assert_eq!(bed.generations(&key("a"), State::Active).await.len(), 2);
    bed.begin(&key("a")).await;
    assert_eq!(
        bed.generations(&key("a"), State::Active).await,
        [second.generation]
    );
}

async fn an_activation_that_nobody_needs_to_see_starts_the_overlap_itself(ledger: &dyn Ledger) {
    let bed = Bed::new(ledger);
    let old = bed.active(&key("a"), acknowledged()).await;
    bed.active(&key("a"), acknowledged()).await;
    bed.clock.advance(OVERLAP);
    assert_eq!(bed.one_due().await.lease.generation, old.generation);
}

async fn use_counts_as_acknowledgement_and_answers_only_for_what_is_live(ledger: &dyn Ledger) {
    let bed = Bed::new(ledger);
    let live = bed.active(&key("a"), activation()).await;
    let ended = bed.active(&key("b"), activation()).await;
    bed.end(&ended).await;
    let intent = bed.begin(&key("c")).await;
    let uses = [
        (key("b"), ended.generation),
        (live.key.clone(), live.generation),
        (key("c"), intent.generation),
        (key("nobody"), Generation::new(u64::MAX)),
    ];
    let uses = uses.map(|(key, generation)| InUse { key, generation });
    let answer = bed.store.in_use(uses.to_vec(), START + secs(90)).await.unwrap();
    let alive: Vec<_> = answer
        .iter()
        .map(|lease| lease.as_ref().map(|lease| lease.intent.lease))
        .collect();
    assert_eq!(alive, [None, Some(live.intent.lease), None, None]);
    let lease = bed.lease(live.intent.lease).await;
    assert!(lease.acknowledged);
    assert_eq!(lease.alive_until, Some(START + secs(90)));
    assert!(!bed.lease(intent.intent.lease).await.acknowledged);
}

async fn what_is_not_live_cannot_be_acknowledged(ledger: &dyn Ledger) {
    let bed = Bed::new(ledger);
    let intent = bed.begin(&key("a")).await;
    let lease = bed.active(&key("b"), activation()).await;
    bed.clock.advance(TTL);
    for (key, generation) in [
        (key("a"), intent.generation),
        (key("b"), lease.generation),
        (key("c"), Generation::FIRST),
    ] {
        let refusal = bed.store.acknowledge(&key, generation).await;
        assert!(matches!(refusal, Err(StoreError::NotLive)), "{key}: {refusal:?}");
    }
}

async fn a_mint_that_lands_late_is_recorded_and_revoked_at_once(ledger: &dyn Ledger) {
    let bed = Bed::new(ledger);
    let late = bed.begin(&key("a")).await;
    let superseded = bed.begin(&key("b")).await;
    bed.begin(&key("b")).await;
    bed.clock.advance(MINT);
    for begun in [late, superseded] {
        let lease = begun.intent.lease;
        let answer = bed.store.activate(lease, activation()).await;
        assert!(matches!(answer, Err(StoreError::Superseded)), "{answer:?}");
        let lease = bed.lease(lease).await;
        assert_eq!((lease.state, lease.handle), (State::Revoking, Some(handle("r"))));
    }
    let work: Vec<_> = bed.due().await.into_iter().map(|due| due.work).collect();
    assert_eq!(work.iter().filter(|work| **work == Work::Revoke).count(), 2);
}

async fn a_mint_that_lands_after_its_sweep_is_revoked_all_the_same(ledger: &dyn Ledger) {
    let bed = Bed::new(ledger);
    let begun = bed.begin(&key("a")).await;
    bed.clock.advance(MINT + LAG);
    let sweep = bed.one_due().await;
    bed.store.done(sweep.claim).await.unwrap();
    assert_eq!(bed.state(&key("a")).await, State::Abandoned);

    let ends = Ends::AtExpiry;
    let landed = Activation { ends, ..activation() };
    let answer = bed.store.activate(begun.intent.lease, landed).await;
    assert!(matches!(answer, Err(StoreError::Superseded)), "{answer:?}");
    let revoke = bed.one_due().await;
    assert_eq!((revoke.work, revoke.lease.ends), (Work::Revoke, Ends::AtExpiry));
}

async fn a_handle_that_comes_late_is_swept_at_once(ledger: &dyn Ledger) {
    let bed = Bed::new(ledger);
    let begun = bed.begin(&key("a")).await;
    bed.store.abandon(begun.intent.lease).await.unwrap();
    let sweep = bed.one_due().await;
    let answer = bed.store.record(begun.intent.lease, handle("late")).await;
    assert!(matches!(answer, Err(StoreError::Superseded)), "{answer:?}");
    // The sweep that did not know of it does not count.
    let lost = bed.store.done(sweep.claim).await;
    assert!(matches!(lost, Err(StoreError::ClaimLost)), "{lost:?}");
    let again = bed.one_due().await;
    assert_eq!(
        (again.work, again.lease.handle),
        (Work::Sweep, Some(handle("late")))
    );

    let unknown = bed.store.record(LeaseId::random(), handle("x")).await;
    assert!(matches!(unknown, Err(StoreError::Superseded)), "{unknown:?}");
}

async fn an_activation_repeated_is_no_second_mint(ledger: &dyn Ledger) {
    let bed = Bed::new(ledger);
    let lease = bed.active(&key("a"), activation()).await;
    let again = bed
        .store
        .activate(lease.intent.lease, activation())
        .await
        .unwrap();
    assert_eq!(again, lease);
    bed.end(&lease).await;
    let ended = bed.store.activate(lease.intent.lease, activation()).await;
    assert!(matches!(ended, Err(StoreError::Superseded)), "{ended:?}");
    assert_eq!(bed.state(&key("a")).await, State::Revoking);
}

async fn a_handle_too_large_is_refused_and_nothing_changes(ledger: &dyn Ledger) {
    let bed = Bed::new(ledger);
    let begun = bed.begin(&key("a")).await;
    let large = handle(&"x".repeat(Handle::MAX_BYTES));
    let answer = bed.store.record(begun.intent.lease, large).await;
    assert!(
        matches!(answer, Err(StoreError::HandleTooLarge { .. })),
        "{answer:?}"
    );
    assert_eq!(bed.lease(begun.intent.lease).await.handle, None);
}

async fn an_end_is_idempotent_and_ends_what_its_selector_names(ledger: &dyn Ledger) {
    let bed = Bed::new(ledger);
    let old = bed.active(&key("a"), acknowledged()).await;
    bed.begin(&key("a")).await;
    let other = bed.active(&key("b"), activation()).await;
    let end = |selector| bed.store.end(selector, EndReason::WorkloadEnded);
    let instance = Selector::Instance {
        cluster: "prod".parse().unwrap(),
        instance: "pod:a".to_owned(),
    };
    assert_eq!(end(instance.clone()).await.unwrap(), 2);
    assert_eq!(end(instance).await.unwrap(), 0);
    assert_eq!(end(Selector::Binding(key("b"))).await.unwrap(), 1);
    assert_eq!(end(Selector::Lease(other.intent.lease)).await.unwrap(), 0);
    assert_eq!(end(Selector::Lease(LeaseId::random())).await.unwrap(), 0);
    let old = bed.lease(old.intent.lease).await;
    assert_eq!(old.end_reason, Some(EndReason::WorkloadEnded));
    let states: Vec<_> = bed
        .unfinished()
        .await
        .into_iter()
        .map(|lease| lease.state)
        .collect();
    assert!(!states.iter().any(|state| state.is_live()), "{states:?}");
}

async fn three_thousand_restarts_leave_one_live_lease(ledger: &dyn Ledger) {
    let bed = Bed::new(ledger);
    for _ in 0..3000 {
        bed.active(&key("a"), activation()).await;
    }
    let newest = [Generation::new(3000)];
    assert_eq!(bed.generations(&key("a"), State::Active).await, newest);
    loop {
        let due = bed.due().await;
        if due.is_empty() {
            break;
        }
        for due in due {
            assert_eq!(due.work, Work::Revoke);
            bed.store.done(due.claim).await.unwrap();
        }
    }
    let counts = bed.store.counts().await.unwrap();
    assert_eq!((counts[&State::Active], counts[&State::Revoked]), (1, 2999));
    assert_eq!(bed.unfinished().await.len(), 1);
}

async fn the_unfinished_are_listed_in_pages_in_order(ledger: &dyn Ledger) {
    let bed = Bed::new(ledger);
    for number in 0..7 {
        bed.store
            .begin(new_lease(&key(&number.to_string())))
            .await
            .unwrap();
    }
    let all: Vec<_> = bed
        .unfinished()
        .await
        .iter()
        .map(|lease| lease.intent.lease)
        .collect();
    assert!(all.is_sorted());
    let mut paged = Vec::new();
    loop {
        let page = bed.store.unfinished(paged.last().copied(), 3).await.unwrap();
        if page.is_empty() {
            break;
        }
        paged.extend(page.iter().map(|lease| lease.intent.lease));
    }
    assert_eq!(paged, all);
}
