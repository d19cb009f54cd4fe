//! What is due, who gets it, and how it is settled.

use std::collections::BTreeMap;

use esi_core::{Clock as _, Ends};

use super::{Bed, CLAIM, LAG, Ledger, MINT, START, TTL, acknowledged, activation, key, new_lease, secs};
use crate::error::StoreError;
use crate::port::{Activation, EndReason, Room, State, Work};

/// Each rule on a ledger of its own.
pub(crate) async fn run<L: Ledger>(ledger: impl Fn() -> L + Send + Sync) {
    a_lease_is_renewed_at_half_of_its_time_while_its_workload_lives(&ledger()).await;
    a_lease_is_not_renewed_beyond_its_maximum(&ledger()).await;
    a_maximum_outlives_renewals_of_a_backend_that_knows_of_none(&ledger()).await;
    a_lease_that_cannot_be_renewed_runs_to_its_expiry(&ledger()).await;
    a_failed_renewal_is_tried_again_but_not_after_the_expiry(&ledger()).await;
    a_lease_ended_during_its_renewal_stays_ended(&ledger()).await;
    a_revocation_goes_over_access_ended_to_revoked(&ledger()).await;
    a_failed_revocation_is_due_again_when_it_says(&ledger()).await;
    a_claim_hides_its_lease_and_a_later_one_fences_it_out(&ledger()).await;
    what_can_only_expire_stays_until_it_has(&ledger()).await;
    a_sweep_is_repeated_until_nothing_can_land_any_more(&ledger()).await;
    the_dead_wait_for_a_person(&ledger()).await;
    a_generator_takes_no_more_than_its_room(&ledger()).await;
    a_batch_has_a_limit_and_says_that_there_is_more(&ledger()).await;
    time_goes_on_after_a_jump_of_the_clock(&ledger()).await;
    time_does_not_run_back_over_a_restart(&ledger()).await;
}

async fn a_lease_is_renewed_at_half_of_its_time_while_its_workload_lives(ledger: &dyn Ledger) {
    let bed = Bed::new(ledger);
    let lease = bed.active(&key("a"), acknowledged()).await;
    bed.clock.advance(TTL / 2);
    assert!(bed.due().await.is_empty(), "nobody knows that it lives");
    assert_eq!(bed.next_due().await, Some(START + TTL));

    bed.alive(&lease, secs(90)).await;
    let due = bed.one_due().await;
    assert_eq!(due.work, Work::Renew);
    bed.store.renewed(due.claim, TTL * 2, None).await.unwrap();
    let renewed = bed.lease(lease.intent.lease).await;
    assert_eq!(renewed.expires_at, Some(bed.clock.now() + TTL * 2));
    bed.alive(&lease, TTL * 9).await;
    assert_eq!(bed.next_due().await, Some(bed.clock.now() + TTL));
}

async fn a_lease_is_not_renewed_beyond_its_maximum(ledger: &dyn Ledger) {
    let bed = Bed::new(ledger);
    let max_expires_in = Some(TTL + secs(60));
    let granted = Activation {
        max_expires_in,
        ..acknowledged()
    };
    let lease = bed.active(&key("a"), granted).await;
    bed.alive(&lease, TTL * 9).await;
    bed.clock.advance(TTL / 2);
    let due = bed.one_due().await;
    bed.store
        .renewed(due.claim, TTL, Some(TTL / 2 + secs(60)))
        .await
        .unwrap();
    let max = START + TTL + secs(60);
    assert_eq!(bed.lease(lease.intent.lease).await.expires_at, Some(max));
    assert_eq!(bed.next_due().await, Some(max));
    bed.clock.set(max);
    let due = bed.one_due().await;
    assert_eq!(
        (due.work, due.lease.end_reason),
        (Work::Revoke, Some(EndReason::Expired))
    );
}

async fn a_maximum_outlives_renewals_of_a_backend_that_knows_of_none(ledger: &dyn Ledger) {
    let bed = Bed::new(ledger);
    let max = START + TTL * 2;
    let granted = Activation {
        max_expires_in: Some(TTL * 2),
        ..acknowledged()
    };
    let lease = bed.active(&key("a"), granted).await;
    bed.alive(&lease, TTL * 9).await;
    for _ in 0..2 {
        let next = bed.next_due().await.unwrap();
        bed.clock.set(next);
        let due = bed.one_due().await;
        assert_eq!(due.work, Work::Renew);
        bed.store.renewed(due.claim, TTL, None).await.unwrap();
        assert_eq!(bed.lease(lease.intent.lease).await.max_expires_at, Some(max));
    }
    assert_eq!(bed.lease(lease.intent.lease).await.expires_at, Some(max));
    assert_eq!(bed.next_due().await, Some(max), "it is renewed no more");
}

async fn a_lease_that_cannot_be_renewed_runs_to_its_expiry(ledger: &dyn Ledger) {
    let bed = Bed::new(ledger);
    let never = Activation {
        renewable: false,
        ..acknowledged()
    };
    let never = bed.active(&key("a"), never).await;
    let refused = bed.active(&key("b"), acknowledged()).await;
    bed.alive(&never, TTL * 9).await;
    bed.alive(&refused, TTL * 9).await;
    bed.clock.advance(TTL / 2);
    let due = bed.one_due().await;
    assert_eq!(due.lease.intent, refused.intent);
    bed.store.not_renewable(due.claim).await.unwrap();
    assert!(!bed.lease(refused.intent.lease).await.renewable);
    assert_eq!(bed.next_due().await, Some(START + TTL));
    bed.clock.advance(TTL / 2);
    assert_eq!(bed.due().await.len(), 2);
}

async fn a_failed_renewal_is_tried_again_but_not_after_the_expiry(ledger: &dyn Ledger) {
    let bed = Bed::new(ledger);
    let lease = bed.active(&key("a"), acknowledged()).await;
    bed.alive(&lease, TTL * 9).await;
    bed.clock.advance(TTL / 2);
    let due = bed.one_due().await;
    let at = bed.clock.now() + secs(5);
    bed.store.retry_later(due.claim, at, "down").await.unwrap();
    let failed = bed.lease(lease.intent.lease).await;
    assert_eq!((failed.attempts, failed.last_error.as_deref()), (1, Some("down")));
    assert_eq!(bed.next_due().await, Some(at));
    bed.clock.set(at);
    let due = bed.one_due().await;
    bed.store
        .retry_later(due.claim, START + TTL * 2, "down")
        .await
        .unwrap();
    assert_eq!(bed.next_due().await, Some(START + TTL));
    bed.clock.set(START + TTL);
    assert_eq!(bed.one_due().await.work, Work::Revoke);
}

async fn a_lease_ended_during_its_renewal_stays_ended(ledger: &dyn Ledger) {
    let bed = Bed::new(ledger);
    let lease = bed.active(&key("a"), acknowledged()).await;
    bed.alive(&lease, TTL * 9).await;
    bed.clock.advance(TTL / 2);
    let renewal = bed.one_due().await;
    bed.end(&lease).await;
    let lost = bed.store.renewed(renewal.claim, TTL, None).await;
    assert!(matches!(lost, Err(StoreError::ClaimLost)), "{lost:?}");
    assert_eq!(
        bed.one_due().await.work,
        Work::Revoke,
        "at once, whatever was claimed"
    );
}

async fn a_revocation_goes_over_access_ended_to_revoked(ledger: &dyn Ledger) {
    let bed = Bed::new(ledger);
    let lease = bed.active(&key("a"), activation()).await;
    assert_eq!(bed.end(&lease).await, 1);
    let due = bed.one_due().await;
    assert_eq!(
        (due.work, due.since, due.ended_at),
        (Work::Revoke, START, Some(START))
    );
    bed.store.access_ended(due.claim).await.unwrap();
    assert_eq!(bed.state(&key("a")).await, State::AccessEnded);
    bed.store.done(due.claim).await.unwrap();
    assert_eq!(bed.state(&key("a")).await, State::Revoked);
    assert_eq!(bed.next_due().await, None);
    let settled = bed.store.done(due.claim).await;
    assert!(matches!(settled, Err(StoreError::ClaimLost)), "{settled:?}");
}

async fn a_failed_revocation_is_due_again_when_it_says(ledger: &dyn Ledger) {
    let bed = Bed::new(ledger);
    let lease = bed.active(&key("a"), activation()).await;
    bed.end(&lease).await;
    let due = bed.one_due().await;
    bed.store
        .retry_later(due.claim, START + secs(7), "down")
        .await
        .unwrap();
    assert_eq!(bed.next_due().await, Some(START + secs(7)));
    bed.clock.advance(secs(7));
    let again = bed.one_due().await;
    assert_eq!((again.lease.attempts, again.since), (1, START + secs(7)));
}

async fn a_claim_hides_its_lease_and_a_later_one_fences_it_out(ledger: &dyn Ledger) {
    let bed = Bed::new(ledger);
    let lease = bed.active(&key("a"), activation()).await;
    bed.end(&lease).await;
    let first = bed.one_due().await;
    assert_eq!(bed.next_due().await, Some(START + CLAIM));
    let bed = bed.reopen(ledger);
    bed.clock.advance(CLAIM);
    let second = bed.one_due().await;
    let lost = bed.store.done(first.claim).await;
    assert!(matches!(lost, Err(StoreError::ClaimLost)), "{lost:?}");
    let lost = bed.store.retry_later(first.claim, START, "late").await;
    assert!(matches!(lost, Err(StoreError::ClaimLost)), "{lost:?}");
    bed.clock.advance(CLAIM * 2);
    bed.store.done(second.claim).await.unwrap();
}

async fn what_can_only_expire_stays_until_it_has(ledger: &dyn Ledger) {
    let bed = Bed::new(ledger);
    let granted = Activation {
        ends: Ends::AtExpiry,
        ..activation()
    };
    let lease = bed.active(&key("a"), granted).await;
    bed.end(&lease).await;
    let due = bed.one_due().await;
    bed.store.done(due.claim).await.unwrap();
    assert_eq!(bed.state(&key("a")).await, State::Revoking);
    assert_eq!(bed.next_due().await, Some(START + TTL));
    bed.clock.set(START + TTL);
    let due = bed.one_due().await;
    bed.store.done(due.claim).await.unwrap();
    assert_eq!(bed.state(&key("a")).await, State::Revoked);
}

async fn a_sweep_is_repeated_until_nothing_can_land_any_more(ledger: &dyn Ledger) {
    let bed = Bed::new(ledger);
    let begun = bed.begin(&key("a")).await;
    bed.store.abandon(begun.intent.lease).await.unwrap();
    let mut swept_at = Vec::new();
    while bed.state(&key("a")).await == State::Sweeping {
        let due = bed.one_due().await;
        swept_at.push(bed.clock.now().since(START).as_secs());
        bed.store.done(due.claim).await.unwrap();
        bed.clock.set(bed.next_due().await.unwrap_or(bed.clock.now()));
    }
    assert_eq!(swept_at, [0, 2, 4, 8, 16, 32, (MINT + LAG).as_secs()]);
    assert_eq!(bed.state(&key("a")).await, State::Abandoned);

    // One that began before the end and finished after it may have missed what landed in between.
    bed.begin(&key("b")).await;
    bed.clock.advance(MINT);
    let due = bed.one_due().await;
    bed.clock.advance(LAG);
    bed.store.done(due.claim).await.unwrap();
    assert_eq!(bed.state(&key("b")).await, State::Sweeping);
}

async fn the_dead_wait_for_a_person(ledger: &dyn Ledger) {
    let bed = Bed::new(ledger);
    let lease = bed.active(&key("a"), activation()).await;
    assert!(!bed.store.retry(lease.intent.lease).await.unwrap());
    bed.end(&lease).await;
    let due = bed.one_due().await;
    bed.store.dead(due.claim, "gone").await.unwrap();
    let dead = bed.lease(lease.intent.lease).await;
    assert_eq!(
        (dead.state, dead.last_error.as_deref()),
        (State::Dead, Some("gone"))
    );
    assert_eq!(bed.next_due().await, None);
    assert!(bed.store.retry(lease.intent.lease).await.unwrap());
    assert_eq!(bed.one_due().await.work, Work::Revoke);
}

async fn a_generator_takes_no_more_than_its_room(ledger: &dyn Ledger) {
    let bed = Bed::new(ledger);
    for number in 0..700 {
        let slow = bed.active(&key(&number.to_string()), activation()).await;
        bed.end(&slow).await;
    }
    let slow: esi_core::names::GeneratorRef = "PostgreSQL/platform/shop".parse().unwrap();
    bed.clock.advance(secs(1));
    let mut other = new_lease(&key("other"));
    other.generator = "Vault/platform/shop".parse().unwrap();
    let other = bed.store.begin(other).await.unwrap();
    bed.store.abandon(other.intent.lease).await.unwrap();

    let room = |busy: usize| Room {
        total: 64,
        per_generator: 8,
        busy: BTreeMap::from([(slow.clone(), busy)]),
    };
    let batch = bed.store.claim_due_within(room(5), CLAIM).await.unwrap();
    let slow_ones = batch.due.iter().filter(|due| due.lease.generator == slow).count();
    assert_eq!((slow_ones, batch.due.len()), (3, 4));
    assert_eq!(
        batch.next,
        Some(bed.clock.now() + CLAIM),
        "those without room do not count"
    );
    let batch = bed.store.claim_due_within(room(8), CLAIM).await.unwrap();
    assert!(batch.due.is_empty());
}

async fn a_batch_has_a_limit_and_says_that_there_is_more(ledger: &dyn Ledger) {
    let bed = Bed::new(ledger);
    for number in 0..5 {
        bed.begin(&key(&number.to_string())).await;
        bed.clock.advance(secs(1));
    }
    bed.clock.advance(MINT);
    let batch = bed.store.claim_due(3, CLAIM).await.unwrap();
    let order: Vec<_> = batch
        .due
        .iter()
        .map(|due| due.since.as_secs() - START.as_secs())
        .collect();
    assert_eq!(order, [30, 31, 32], "oldest first");
    assert_eq!((batch.next, batch.now), (Some(bed.clock.now()), bed.clock.now()));
    let batch = bed.store.claim_due(3, CLAIM).await.unwrap();
    assert_eq!(batch.due.len(), 2);
    assert_eq!(batch.next, Some(bed.clock.now() + CLAIM));
}

async fn time_goes_on_after_a_jump_of_the_clock(ledger: &dyn Ledger) {
    let bed = Bed::new(ledger);
    let lease = bed.active(&key("a"), acknowledged()).await;
    bed.clock.set(START + TTL);
    assert_eq!(bed.one_due().await.lease.end_reason, Some(EndReason::Expired));

    bed.clock.set(START);
    assert_eq!(bed.lease(lease.intent.lease).await.state, State::Revoking);
    let next = bed.active(&key("b"), activation()).await;
    assert!(next.begun_at >= START + TTL);
    let left = next.expires_at.unwrap().since(bed.store.now());
    assert!(
        left <= TTL,
        "what is left of it is told by the store's time: {left:?}"
    );
    // Alive for a minute by the clock is a minute by the store, however far they are apart.
    bed.alive(&next, secs(60)).await;
    let alive_until = bed.lease(next.intent.lease).await.alive_until.unwrap();
    assert!(alive_until >= START + TTL + secs(60));
}

async fn time_does_not_run_back_over_a_restart(ledger: &dyn Ledger) {
    let bed = Bed::new(ledger);
    bed.clock.set(START + TTL);
    bed.begin(&key("a")).await;
    bed.clock.set(START);
    let bed = bed.reopen(ledger);
    bed.begin(&key("b")).await;
    let lease = bed.store.newest(&key("b")).await.unwrap().unwrap();
    assert!(lease.begun_at >= START + TTL);
}
