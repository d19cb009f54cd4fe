use std::time::Duration;

use esi_core::Timestamp;

use super::*;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

fn start() -> Timestamp {
    Timestamp::from_secs(1_800_000_000)
}

/// The step that is due, which must be one.
fn due(authorities: &Authorities, now: Timestamp) -> Authorities {
    authorities.step(now, true).unwrap().expect("nothing is due")
}

fn quiet(authorities: &Authorities, now: Timestamp) -> bool {
    authorities.step(now, true).unwrap().is_none()
}

fn certificates(authorities: &Authorities) -> usize {
    authorities.bundle().matches("BEGIN CERTIFICATE").count()
}

#[test]
fn a_successor_is_trusted_before_it_mints_and_its_predecessor_after() {
    let first = Authorities::begin(start()).unwrap();
    let renewal = start() + (LIFE - RENEW_BEFORE_END);
    assert!(quiet(&first, renewal.before(DAY)));

    let announced = due(&first, renewal);
    assert_eq!(
        announced.current.certificate_pem(),
        first.current.certificate_pem()
    );
    assert_eq!(certificates(&announced), 2);
    assert!(quiet(&announced, renewal + PROPAGATION / 2));

    let promoted = due(&announced, renewal + PROPAGATION);
    assert_ne!(
        promoted.current.certificate_pem(),
        first.current.certificate_pem()
    );
    assert!(promoted.bundle().contains(first.current.certificate_pem()));
    assert!(quiet(&promoted, renewal + OVERLAP));

    let alone = due(&promoted, renewal + PROPAGATION + OVERLAP);
    assert_eq!(certificates(&alone), 1);
    assert!(quiet(&alone, renewal + PROPAGATION + OVERLAP));
}

#[test]
fn a_successor_that_is_not_in_the_bundle_never_mints() {
    let first = Authorities::begin(start()).unwrap();
    let renewal = start() + (LIFE - RENEW_BEFORE_END);
    let announced = due(&first, renewal);
    assert!(announced.step(renewal + 30 * DAY, false).unwrap().is_none());
}

#[test]
fn an_authority_that_nobody_replaced_in_time_is_replaced_at_once() {
    let first = Authorities::begin(start()).unwrap();
    let after = start() + LIFE;
    let new = first.step(after, false).unwrap().unwrap();
    assert!(new.current.not_after() > after);
    assert_eq!(certificates(&new), 1);
}

#[test]
fn a_leaf_never_outlives_the_trust_in_its_authority() {
    // The last leaf of a predecessor is minted just before its successor's promotion, and lives 30 days.
    assert!(OVERLAP >= 30 * DAY);
    assert!(RENEW_BEFORE_END > OVERLAP + PROPAGATION);
}

#[test]
fn a_place_is_a_namespace_and_a_name() {
    let place: SecretPlace = "esi-system/esi-webhook-ca".parse().unwrap();
    assert_eq!(place.to_string(), "esi-system/esi-webhook-ca");
    for bad in ["", "a", "a/", "/a", "a/b/c", "A/b"] {
        assert!(bad.parse::<SecretPlace>().is_err(), "{bad}");
    }
}
