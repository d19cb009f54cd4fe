//! Every state against every event.

use esi_core::{Generation, InstallationId, Timestamp};

use super::*;
use crate::conformance::{CLAIM, LAG, MINT, START, TTL, activation, handle, key, new_lease, secs};
use crate::port::{Claim, EndReason, State};

/// A claimed record in that state, and its claim.
fn claimed(state: State) -> (Record, Claim) {
    let mut record = Record::begin(
        new_lease(&key("a")),
        InstallationId::random(),
        Generation::FIRST,
        START,
    );
    record.lease.state = state;
    let swept = matches!(state, State::Sweeping | State::Abandoned);
    if state != State::Intent && !swept {
        record.lease.state = State::Intent;
        record.activate(activation(), START).unwrap();
        record.lease.state = state;
    }
    if !state.is_live() {
        record.lease.end_reason = Some(EndReason::Requested);
        record.ended_at = Some(START);
        record.work_at = Some(START);
    }
    // Past the mint's deadline a sweep that succeeds is the last one.
    let claim = record.claim(CLAIM, START + MINT + LAG);
    (record, claim)
}

type Event = fn(&mut Record, Claim) -> Result<(), Refusal>;

/// Before the mint's deadline.
const EARLY: Timestamp = START;

const EVENTS: [(&str, Event); 11] = [
    ("record", |record, _| record.record_handle(handle("other"), EARLY)),
    ("activate", |record, _| {
        let mut other = activation();
        other.handle = handle("other");
        record.activate(other, EARLY)
    }),
    ("abandon", |record, _| {
        record.abandon(EARLY);
        Ok(())
    }),
    ("acknowledge", |record, _| record.acknowledge(EARLY).map(drop)),
    ("end", |record, _| {
        record.end(EndReason::Requested, EARLY);
        Ok(())
    }),
    ("renewed", |record, claim| record.renewed(claim, TTL, None, EARLY)),
    ("access ended", |record, claim| record.access_ended(claim)),
    ("done", |record, claim| record.done(claim, EARLY)),
    ("retry later", |record, claim| {
        record.retry_later(claim, START + secs(5), "down", EARLY)
    }),
    ("dead", |record, claim| record.dead(claim, "gone")),
    ("retry", |record, _| {
        record.revive(EARLY);
        Ok(())
    }),
];

/// What each event makes of a state; `!` marks a refusal. A line per event, a column per state.
#[test]
fn every_event_in_every_state() {
    use State::{Abandoned, AccessEnded, Active, Dead, Intent, Revoked, Revoking, Sweeping};
    let states = [
        Intent,
        Active,
        Revoking,
        AccessEnded,
        Revoked,
        Sweeping,
        Abandoned,
        Dead,
    ];
    let table = [
        (
            "record",
            "intent !active !revoking !access_ended !revoked !sweeping !sweeping !dead",
        ),
        (
            "activate",
            "active !active !revoking !revoking !revoking !revoking !revoking !revoking",
        ),
        (
            "abandon",
            "sweeping active revoking access_ended revoked sweeping abandoned dead",
        ),
        (
            "acknowledge",
            "!intent active !revoking !access_ended !revoked !sweeping !abandoned !dead",
        ),
        (
            "end",
            "sweeping revoking revoking access_ended revoked sweeping abandoned dead",
        ),
        (
            "renewed",
            "!intent active !revoking !access_ended !revoked !sweeping !abandoned !dead",
        ),
        (
            "access ended",
            "!intent !active access_ended access_ended !revoked sweeping !abandoned !dead",
        ),
        (
            "done",
            "!intent !active revoked revoked !revoked abandoned !abandoned !dead",
        ),
        (
            "retry later",
            "!intent active revoking access_ended !revoked sweeping !abandoned !dead",
        ),
        ("dead", "!intent !active dead dead !revoked dead !abandoned !dead"),
        (
            "retry",
            "intent active revoking access_ended revoked sweeping abandoned revoking",
        ),
    ];
    for ((name, event), (row, expected)) in EVENTS.into_iter().zip(table) {
        assert_eq!(name, row);
        let outcome = states.map(|state| {
            let (mut record, claim) = claimed(state);
            let refused = event(&mut record, claim).is_err();
            format!(
                "{}{}",
                if refused { "!" } else { "" },
                record.lease.state.as_str()
            )
        });
        assert_eq!(outcome.join(" "), expected, "{name}");
    }
}

#[test]
fn a_claim_with_another_number_has_no_rights_in_any_state() {
    for state in State::ALL {
        for (name, event) in EVENTS {
            let (mut record, claim) = claimed(state);
            let stale = Claim {
                fence: claim.fence - 1,
                ..claim
            };
            let before = record.clone();
            if matches!(name, "renewed" | "access ended" | "done" | "retry later" | "dead") {
                assert_eq!(
                    event(&mut record, stale),
                    Err(Refusal::ClaimLost),
                    "{name} in {state:?}"
                );
                assert_eq!(record, before, "{name} in {state:?}");
            }
        }
    }
}

#[test]
fn a_backend_that_grants_ever_less_is_not_asked_ever_more_often() {
    let mut record = Record::begin(
        new_lease(&key("a")),
        InstallationId::random(),
        Generation::FIRST,
        START,
    );
    record.activate(activation(), START).unwrap();
    record.alive(START + TTL * 9);
    let mut now = START;
    let mut asked = 0;
    while record.lease.state.is_live() {
        now = record.next_due(now).unwrap();
        if record.pass_time(now) {
            break;
        }
        asked += 1;
        let claim = record.claim(CLAIM, now);
        // It will not go beyond a maximum that it does not tell.
        record
            .renewed(claim, (START + TTL).since(now), None, now)
            .unwrap();
    }
    assert_eq!(now, START + TTL);
    assert!(asked < 15, "asked {asked} times");
}

#[test]
fn only_the_final_and_the_dead_are_never_due() {
    for state in State::ALL {
        let (record, _claim) = claimed(state);
        let never = state.is_final() || state == State::Dead;
        assert_eq!(record.next_due(START).is_none(), never, "{state:?}");
    }
}
