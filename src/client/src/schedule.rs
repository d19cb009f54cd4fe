//! When to try again: a pure function of the failure, the attempt and the time left.

use std::time::Duration;

use esi_core::Retry;

use crate::dice::Dice;

/// The wait after the first failure, before jitter. A server that restarts is back in about this time.
const FIRST_WAIT: Duration = Duration::from_millis(100);
/// The longest wait between attempts, before jitter: what a pod loses at most after an outage ends.
const MAX_WAIT: Duration = Duration::from_secs(5);
/// The most that jitter adds to what the server asked for.
const MAX_ADDED: Duration = Duration::from_secs(1);

/// What to do after a failed attempt.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// Try again after this time.
    Wait(Duration),
    /// The same call would fail again.
    Refused,
    /// There is not enough time left for another attempt.
    OutOfTime,
}

/// Decides after failure number `failures` (counted from 1) with `left` of the budget.
///
/// A wait doubles with each failure up to [`MAX_WAIT`], and is then spread over its upper half. What the server
/// asks for is never shortened: where it is longer than the time left, waiting would be for nothing.
pub(crate) fn next(retry: Retry, failures: u32, left: Duration, dice: Dice) -> Next {
    let wait = match retry {
        Retry::Never => return Next::Refused,
        Retry::Backoff => {
            let doublings = failures.saturating_sub(1).min(16);
            let full = FIRST_WAIT.saturating_mul(1 << doublings).min(MAX_WAIT);
            full.mul_f64(0.5 + dice.fraction() / 2.0)
        }
        Retry::After(asked) => asked.saturating_add((asked / 10).min(MAX_ADDED).mul_f64(dice.fraction())),
    };
    if wait < left {
        Next::Wait(wait)
    } else {
        Next::OutOfTime
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    const LONG: Duration = Duration::from_secs(3600);

    fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[rstest]
    #[case(1, 0.0, 50)]
    #[case(1, 1.0, 100)]
    #[case(2, 1.0, 200)]
    #[case(6, 1.0, 3200)]
    #[case(7, 1.0, 5000)]
    #[case(7, 0.0, 2500)]
    #[case(u32::MAX, 1.0, 5000)]
    fn waits_double_up_to_the_longest_and_are_spread(
        #[case] failures: u32,
        #[case] fraction: f64,
        #[case] expected: u64,
    ) {
        assert_eq!(
            next(Retry::Backoff, failures, LONG, Dice::fixed(fraction)),
            Next::Wait(ms(expected))
        );
    }

    #[test]
    fn what_the_server_asks_for_is_never_shortened() {
        let asked = Retry::After(Duration::from_secs(3));
        assert_eq!(next(asked, 1, LONG, Dice::fixed(0.0)), Next::Wait(ms(3000)));
        assert_eq!(next(asked, 9, LONG, Dice::fixed(1.0)), Next::Wait(ms(3300)));
        let long = Retry::After(Duration::from_secs(600));
        assert_eq!(next(long, 1, LONG, Dice::fixed(1.0)), Next::Wait(ms(601_000)));
    }

    #[test]
    fn a_wait_that_does_not_fit_into_the_time_left_is_not_begun() {
        let asked = Retry::After(Duration::from_secs(3));
        assert_eq!(next(asked, 1, ms(3000), Dice::fixed(0.0)), Next::OutOfTime);
        assert_eq!(next(Retry::Backoff, 1, ms(50), Dice::fixed(0.0)), Next::OutOfTime);
        assert_eq!(
            next(Retry::Backoff, 1, Duration::ZERO, Dice::fixed(0.0)),
            Next::OutOfTime
        );
    }

    #[test]
    fn a_refusal_is_not_tried_again() {
        assert_eq!(next(Retry::Never, 1, LONG, Dice::fixed(0.0)), Next::Refused);
    }
}
