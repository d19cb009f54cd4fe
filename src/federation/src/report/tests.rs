use super::*;

const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);

/// A lease that was issued an hour of life ago minus `left`.
fn lease(left: u64, change: impl FnOnce(&mut Lease)) -> Lease {
    let expires_at = NOW + Duration::from_secs(left);
    let mut lease = Lease {
        issued_at: Some(expires_at.before(Duration::from_secs(3600))),
        expires_at: Some(expires_at),
        ..crate::testing::lease()
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
