use super::*;

fn reason(kind: &'static str, generator: Option<&str>) -> Reason {
    Reason {
        kind,
        generator: generator.map(|text| text.parse().unwrap()),
    }
}

/// The lines of `calls` refusals, each with the number of those before it that had none.
fn flood(refusals: &Refusals, reason: &Reason, calls: u32) -> Vec<u64> {
    (0..calls)
        .filter_map(|_| refusals.admit(reason.clone()))
        .collect()
}

#[tokio::test(start_paused = true)]
async fn a_flood_of_one_reason_has_a_few_lines_and_then_their_number() {
    let refusals = Refusals::default();
    let missing = reason("token_missing", None);
    assert_eq!(flood(&refusals, &missing, 10_000), [0; 20]);
    tokio::time::advance(Duration::from_millis(9_999)).await;
    assert!(flood(&refusals, &missing, 1).is_empty());
    tokio::time::advance(Duration::from_millis(1)).await;
    assert_eq!(flood(&refusals, &missing, 2), [9_981, 0]);
}

#[tokio::test(start_paused = true)]
async fn a_flood_of_one_reason_hides_no_other() {
    let refusals = Refusals::default();
    flood(&refusals, &reason("backend_refused", Some("Fake/a/x")), 100);
    for other in [
        reason("backend_refused", Some("Fake/a/y")),
        reason("backend_timeout", Some("Fake/a/x")),
    ] {
        assert_eq!(flood(&refusals, &other, 1), [0]);
    }
}

#[tokio::test(start_paused = true)]
async fn reasons_that_are_over_are_forgotten() {
    let refusals = Refusals::default();
    let known = || refusals.0.lock().unwrap().len();
    let names: Vec<_> = (0..MAX_REASONS + 1).map(|n| format!("Fake/a/x{n}")).collect();
    for name in &names[1..] {
        refusals.admit(reason("backend_refused", Some(name)));
    }
    assert_eq!(known(), MAX_REASONS);
    tokio::time::advance(WINDOW).await;
    refusals.admit(reason("backend_refused", Some(&names[0])));
    assert_eq!(known(), 1);
}

#[test]
fn what_only_an_operator_can_mend_is_a_warning() {
    assert!(
        is_for_the_operator(Code::FailedPrecondition, true),
        "a backend that refuses the server"
    );
    assert!(
        is_for_the_operator(Code::Unavailable, false),
        "a cluster's keys, the ledger"
    );
    assert!(
        !is_for_the_operator(Code::FailedPrecondition, false),
        "a late acknowledgement"
    );
    assert!(!is_for_the_operator(Code::Unauthenticated, true));
    assert!(!is_for_the_operator(Code::PermissionDenied, true));
}
