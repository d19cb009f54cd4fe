//! When to report next: a pure function of what the server asked and of the leases' time left.

use std::time::Duration;

use esi_client::Dice;

/// Where the server says nothing: often enough that a rotation asked for by a person happens at once, as people
/// see it, and rare enough that a thousand processes are 33 calls a second.
const DEFAULT: Duration = Duration::from_secs(30);
/// Never sooner, whatever is asked: a loop that spins helps nobody.
const SHORTEST: Duration = Duration::from_millis(100);

/// The server's wish wins; without one it is [`DEFAULT`], spread over its upper quarter. Either way a report
/// comes by half of the shortest time left, since it is what keeps a lease alive, and its first attempt may fail.
pub(super) fn report_time(
    asked: Option<Duration>,
    lefts: impl Iterator<Item = Duration>,
    dice: Dice,
) -> Duration {
    let wish = asked.unwrap_or_else(|| DEFAULT.mul_f64(0.75 + dice.fraction() / 4.0));
    lefts
        .filter(|left| !left.is_zero())
        .map(|left| left / 2)
        .fold(wish, Duration::min)
        .max(SHORTEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(list: &[u64]) -> impl Iterator<Item = Duration> {
        list.iter().copied().map(Duration::from_secs)
    }

    #[test]
    fn the_servers_wish_wins() {
        let asked = Some(Duration::from_secs(60));
        assert_eq!(
            report_time(asked, seconds(&[]), Dice::fixed(0.3)),
            Duration::from_secs(60)
        );
    }

    #[test]
    fn without_a_wish_reports_are_spread_below_thirty_seconds() {
        assert_eq!(
            report_time(None, seconds(&[3600]), Dice::fixed(1.0)),
            Duration::from_secs(30)
        );
        assert_eq!(
            report_time(None, seconds(&[3600]), Dice::fixed(0.0)),
            Duration::from_millis(22_500)
        );
    }

    #[test]
    fn a_report_comes_in_time_for_the_shortest_lease() {
        let asked = Some(Duration::from_secs(60));
        assert_eq!(
            report_time(asked, seconds(&[100, 10]), Dice::fixed(1.0)),
            Duration::from_secs(5)
        );
    }

    #[test]
    fn a_lease_that_has_ended_hurries_nobody() {
        assert_eq!(
            report_time(None, seconds(&[0]), Dice::fixed(1.0)),
            Duration::from_secs(30)
        );
    }

    #[test]
    fn reports_never_spin() {
        assert_eq!(
            report_time(Some(Duration::ZERO), seconds(&[]), Dice::fixed(0.0)),
            SHORTEST
        );
    }
}
