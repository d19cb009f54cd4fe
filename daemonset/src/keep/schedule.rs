//! When to do what: pure functions of what was asked, of what failed, and of dice.

use std::time::Duration;

use esi_client::Dice;
use esi_core::Retry;

/// Between two reports to a server that says nothing (design §4.4).
const REPORT: Duration = Duration::from_secs(30);
/// Never sooner, whatever a server asks: a loop that spins helps nobody.
const SHORTEST_REPORT: Duration = Duration::from_secs(1);
/// Never later, whatever a server asks: a rotation that a person asks for is not to wait for an hour.
const LONGEST_REPORT: Duration = Duration::from_secs(300);

/// The wait after the first failure, before jitter.
const FIRST_WAIT: Duration = Duration::from_secs(1);
/// The longest, before jitter: what a volume loses at most after an outage ends.
const LONGEST_WAIT: Duration = Duration::from_secs(300);

/// A lease is about to end in this last time of its life, or the last tenth where that is shorter.
const LAST: Duration = Duration::from_secs(300);

/// The time until the next report, given what the server asked. Spread over its last fifth, and never later than it
/// asked: a server may take a node that is late for one that is gone.
pub(super) fn report_in(asked: Option<Duration>, dice: Dice) -> Duration {
    let full = asked.unwrap_or(REPORT).clamp(SHORTEST_REPORT, LONGEST_REPORT);
    full.mul_f64(0.8 + dice.fraction() / 5.0)
}

/// The time after failure number `failures` (counted from 1). It doubles with each, and is spread over its upper half.
/// What would fail again is tried as seldom as can be, because a person may have changed something; what the server
/// asks for is not shortened.
pub(super) fn wait(retry: Retry, failures: u32, dice: Dice) -> Duration {
    let spread = |full: Duration| full.mul_f64(0.5 + dice.fraction() / 2.0);
    let doublings = failures.saturating_sub(1).min(16);
    let doubled = spread(FIRST_WAIT.saturating_mul(1 << doublings).min(LONGEST_WAIT));
    match retry {
        Retry::Backoff => doubled,
        Retry::Never => spread(LONGEST_WAIT),
        Retry::After(asked) => asked.max(doubled),
    }
}

/// The same for a report, which is also how a server learns that the node lives: at least as often as one that
/// succeeds.
pub(super) fn wait_to_report(retry: Retry, failures: u32, dice: Dice) -> Duration {
    match retry {
        Retry::After(asked) => asked.min(LONGEST_REPORT),
        Retry::Backoff | Retry::Never => wait(retry, failures, dice).min(report_in(None, dice)),
    }
}

/// How long before its end a lease of this life is about to end.
pub(super) fn last_of(life: Duration) -> Duration {
    (life / 10).min(LAST)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn secs(secs: u64) -> Duration {
        Duration::from_secs(secs)
    }

    #[rstest]
    #[case::nothing_asked(None, 30)]
    #[case::more_often(Some(10), 10)]
    #[case::less_often(Some(60), 60)]
    #[case::all_the_time(Some(0), 1)]
    #[case::hardly_ever(Some(86_400), 300)]
    fn a_server_says_when_the_next_report_comes_within_bounds(
        #[case] asked: Option<u64>,
        #[case] expected: u64,
    ) {
        let asked = asked.map(secs);
        assert_eq!(report_in(asked, Dice::fixed(1.0)), secs(expected));
        assert_eq!(report_in(asked, Dice::fixed(0.0)), secs(expected).mul_f64(0.8));
    }

    #[rstest]
    #[case(1, 1)]
    #[case(2, 2)]
    #[case(9, 256)]
    #[case(10, 300)]
    #[case(u32::MAX, 300)]
    fn waits_double_up_to_the_longest_and_are_spread(#[case] failures: u32, #[case] expected: u64) {
        assert_eq!(wait(Retry::Backoff, failures, Dice::fixed(1.0)), secs(expected));
        assert_eq!(
            wait(Retry::Backoff, failures, Dice::fixed(0.0)),
            secs(expected) / 2
        );
    }

    #[test]
    fn what_would_fail_again_is_tried_seldom_and_what_the_server_asks_is_not_shortened() {
        assert_eq!(wait(Retry::Never, 1, Dice::fixed(1.0)), secs(300));
        assert_eq!(wait(Retry::After(secs(7)), 1, Dice::fixed(1.0)), secs(7));
        assert_eq!(wait(Retry::After(secs(7)), 9, Dice::fixed(1.0)), secs(256));
    }

    #[test]
    fn a_server_that_is_down_hears_of_the_node_as_soon_as_it_is_back() {
        assert_eq!(wait_to_report(Retry::Backoff, 1, Dice::fixed(1.0)), secs(1));
        for retry in [Retry::Backoff, Retry::Never] {
            assert_eq!(wait_to_report(retry, 99, Dice::fixed(1.0)), secs(30));
        }
        assert_eq!(
            wait_to_report(Retry::After(secs(90)), 1, Dice::fixed(1.0)),
            secs(90)
        );
    }

    #[rstest]
    #[case(86_400, 300)]
    #[case(3600, 300)]
    #[case(600, 60)]
    fn a_lease_is_about_to_end_in_its_last_tenth_or_five_minutes(#[case] life: u64, #[case] expected: u64) {
        assert_eq!(last_of(secs(life)), secs(expected));
    }
}
