//! What a node's daemon may end, and what asking for a rotation does.

use esi_core::Generation;

use super::{Bed, Ledger, OVERLAP, acknowledged, activation, key, new_lease, volume};
use crate::port::{EndReason, InUse, NewLease, Owner, Selector, State};

/// Each rule on a ledger of its own.
pub(crate) async fn run<L: Ledger>(ledger: impl Fn() -> L + Send + Sync) {
    a_release_ends_the_generations_that_the_volume_showed_and_no_newer_one(&ledger()).await;
    a_release_without_a_generation_ends_all_also_what_is_being_minted(&ledger()).await;
    a_release_by_another_node_or_for_another_binding_ends_nothing(&ledger()).await;
    a_lease_whose_node_is_unknown_is_no_nodes(&ledger()).await;
    a_rotation_that_is_asked_for_is_noted_on_what_is_active_and_ends_nothing(&ledger()).await;
    the_generation_in_its_place_is_not_marked(&ledger()).await;
    generations_are_found_in_any_state_and_in_the_order_asked(&ledger()).await;
}

async fn release(bed: &Bed, selector: Selector) -> usize {
    bed.store.end(selector, EndReason::WorkloadEnded).await.unwrap()
}

async fn a_release_ends_the_generations_that_the_volume_showed_and_no_newer_one(ledger: &dyn Ledger) {
    let bed = Bed::new(ledger);
    let first = bed.active(&key("a"), acknowledged()).await;
    let second = bed.active(&key("a"), activation()).await;
    let shown = volume(&key("a"), "node-1", Some(Generation::FIRST));
    assert_eq!(release(&bed, shown.clone()).await, 1);
    assert_eq!(release(&bed, shown).await, 0, "it is idempotent");
    let first = bed.lease(first.intent.lease).await;
    assert_eq!(
        (first.state, first.end_reason),
        (State::Revoking, Some(EndReason::WorkloadEnded))
    );
    assert_eq!(bed.lease(second.intent.lease).await.state, State::Active);
    // What was shown before is over too.
    let later = volume(&key("a"), "node-1", Some(Generation::new(7)));
    assert_eq!(release(&bed, later).await, 1);
}

async fn a_release_without_a_generation_ends_all_also_what_is_being_minted(ledger: &dyn Ledger) {
    let bed = Bed::new(ledger);
    bed.active(&key("a"), acknowledged()).await;
    bed.begin(&key("a")).await;
    assert_eq!(release(&bed, volume(&key("a"), "node-1", None)).await, 2);
    assert_eq!(bed.state(&key("a")).await, State::Sweeping);
}

async fn a_release_by_another_node_or_for_another_binding_ends_nothing(ledger: &dyn Ledger) {
    let bed = Bed::new(ledger);
    let lease = bed.active(&key("a"), activation()).await;
    let mut elsewhere = key("a");
    elsewhere.cluster = "other".parse().unwrap();
    for selector in [
        volume(&key("a"), "node-2", None),
        volume(&key("a"), "node-2", Some(Generation::FIRST)),
        volume(&key("b"), "node-1", None),
        volume(&elsewhere, "node-1", None),
    ] {
        assert_eq!(release(&bed, selector.clone()).await, 0, "{selector:?}");
    }
    assert_eq!(bed.lease(lease.intent.lease).await, lease);
}

async fn a_lease_whose_node_is_unknown_is_no_nodes(ledger: &dyn Ledger) {
    let bed = Bed::new(ledger);
    let new = new_lease(&key("a"));
    let owner = Owner {
        node: None,
        ..new.owner.clone()
    };
    bed.store.begin(NewLease { owner, ..new }).await.unwrap();
    assert_eq!(release(&bed, volume(&key("a"), "node-1", None)).await, 0);
    assert_eq!(bed.state(&key("a")).await, State::Intent);
}

async fn a_rotation_that_is_asked_for_is_noted_on_what_is_active_and_ends_nothing(ledger: &dyn Ledger) {
    let bed = Bed::new(ledger);
    let lease = bed.active(&key("a"), acknowledged()).await;
    let minting = bed.begin(&key("a")).await;
    let ended = bed.active(&key("b"), activation()).await;
    bed.end(&ended).await;
    let ask = |selector| bed.store.ask_rotation(selector);
    assert_eq!(ask(Selector::Binding(key("a"))).await.unwrap(), 1);
    assert_eq!(ask(Selector::Binding(key("a"))).await.unwrap(), 1, "again");
    assert_eq!(ask(Selector::Lease(ended.intent.lease)).await.unwrap(), 0);

    let bed = bed.reopen(ledger);
    let marked = bed.lease(lease.intent.lease).await;
    assert_eq!(marked.state, State::Active);
    assert!(marked.rotation_asked, "it survives a restart");
    assert!(!bed.lease(minting.intent.lease).await.rotation_asked);
}

async fn the_generation_in_its_place_is_not_marked(ledger: &dyn Ledger) {
    let bed = Bed::new(ledger);
    bed.active(&key("a"), acknowledged()).await;
    let selector = Selector::Binding(key("a"));
    bed.store.ask_rotation(selector).await.unwrap();
    let next = bed.active(&key("a"), acknowledged()).await;
    assert!(!next.rotation_asked);
    bed.clock.advance(OVERLAP);
    bed.due().await;
    assert_eq!(
        bed.generations(&key("a"), State::Active).await,
        [next.generation],
        "the marked one ends as any other"
    );
}

async fn generations_are_found_in_any_state_and_in_the_order_asked(ledger: &dyn Ledger) {
    let bed = Bed::new(ledger);
    let active = bed.active(&key("a"), activation()).await;
    let ended = bed.active(&key("b"), activation()).await;
    bed.end(&ended).await;
    let named = |instance: &str, generation| InUse {
        key: key(instance),
        generation: Generation::new(generation),
    };
    let found = bed
        .store
        .generations(vec![
            named("b", 1),
            named("a", 2),
            named("c", 1),
            named("a", 1),
            named("a", u64::MAX),
        ])
        .await
        .unwrap();
    let found: Vec<_> = found
        .into_iter()
        .map(|lease| lease.map(|lease| lease.intent.lease))
        .collect();
    assert_eq!(
        found,
        [
            Some(ended.intent.lease),
            None,
            None,
            Some(active.intent.lease),
            None
        ]
    );
}
