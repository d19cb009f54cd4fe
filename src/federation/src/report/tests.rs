use esi_core::{Ends, Intent, LeaseId};
use esi_ledger::port::Owner;

use super::*;

const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);

/// A lease that was issued an hour of life ago minus `left`.
fn lease(left: u64, change: impl FnOnce(&mut Lease)) -> Lease {
    let mut lease = Lease {
        intent: Intent {
            installation: "00000000".parse().unwrap(),
            lease: LeaseId::random(),
        },
        key: esi_core::BindingKey {
            cluster: "dev".parse().unwrap(),
            instance: "pod:1".to_owned(),
            binding: "db".parse().unwrap(),
        },
        owner: Owner {
            namespace: "demo".parse().unwrap(),
            service_account: "app".parse().unwrap(),
            name: "app-0".to_owned(),
            node: None,
        },
        generator: "Fake/demo/x".parse().unwrap(),
        generation: Generation::FIRST,
        state: State::Active,
        acknowledged: true,
        handle: None,
        ends: Ends::AtOnce,
        renewable: true,
        begun_at: NOW,
        issued_at: Some((NOW + Duration::from_secs(left)).before(Duration::from_secs(3600))),
        expires_at: Some(NOW + Duration::from_secs(left)),
        max_expires_at: None,
        alive_until: None,
        end_reason: None,
        attempts: 0,
        last_error: None,
    };
    change(&mut lease);
    lease
}

#[test]
fn a_lease_that_can_be_renewed_is_kept_to_its_last_second() {
    assert_eq!(
        verdict(Some(&lease(1, |_| {})), true, NOW),
        Verdict::Keep(Duration::from_secs(1))
    );
}

#[test]
fn a_lease_that_cannot_be_renewed_is_rotated_in_the_last_third_of_its_life() {
    let fixed = |lease: &mut Lease| lease.renewable = false;
    assert_eq!(
        verdict(Some(&lease(1201, fixed)), true, NOW),
        Verdict::Keep(Duration::from_secs(1201))
    );
    assert_eq!(verdict(Some(&lease(1200, fixed)), true, NOW), Verdict::Rotate);
}

#[test]
fn a_lease_at_its_maximum_is_rotated_although_it_could_be_renewed() {
    let at_maximum = |lease: &mut Lease| lease.max_expires_at = lease.expires_at;
    assert_eq!(verdict(Some(&lease(60, at_maximum)), true, NOW), Verdict::Rotate);
}

#[test]
fn a_lease_whose_authorization_is_withdrawn_runs_out() {
    assert_eq!(
        verdict(Some(&lease(1800, |_| {})), false, NOW),
        Verdict::Keep(Duration::from_secs(1800))
    );
    assert_eq!(verdict(Some(&lease(60, |_| {})), false, NOW), Verdict::Rotate);
}

#[test]
fn a_binding_without_a_live_lease_is_rotated() {
    assert_eq!(verdict(None, true, NOW), Verdict::Rotate);
}
