//! Durations as people write them: `90s`, `15m`, `1h30m`, `250ms` (the subset of Go's `time.ParseDuration`
//! that counts upwards in whole units).

use std::time::Duration;

use thiserror::Error;

/// Why a text is no duration.
#[derive(Debug, Error, PartialEq, Eq)]
#[error(
    "`{text}` is no duration: write whole numbers with units h, m, s or ms, largest first, as in `1h30m`"
)]
pub struct SpanError {
    text: String,
}

/// Parses a duration.
///
/// # Errors
/// If the text is empty, has no unit, an unknown unit, units out of order, or overflows.
pub fn parse(text: &str) -> Result<Duration, SpanError> {
    try_parse(text).ok_or_else(|| SpanError {
        text: text.chars().take(40).collect(),
    })
}

const UNITS: [(&str, u64); 4] = [("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

fn try_parse(text: &str) -> Option<Duration> {
    let mut rest = text;
    let mut total = 0_u64;
    let mut next_unit = 0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let (number, after) = rest.split_at_checked(digits)?;
        let number: u64 = number.parse().ok()?;
        let letters = after.find(|c: char| c.is_ascii_digit()).unwrap_or(after.len());
        let (unit, tail) = after.split_at_checked(letters)?;
        let index = UNITS.iter().position(|(name, _)| *name == unit)?;
        if index < next_unit {
            return None;
        }
        next_unit = index + 1;
        let (_, millis) = UNITS.get(index)?;
        total = total.checked_add(number.checked_mul(*millis)?)?;
        rest = tail;
    }
    (!text.is_empty()).then(|| Duration::from_millis(total))
}

/// Writes a duration so that [`parse`] reads it back (milliseconds are the smallest unit).
#[must_use]
pub fn format(span: Duration) -> String {
    let mut rest = u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
    let mut text = String::new();
    for (unit, millis) in UNITS {
        let count = rest / millis;
        if count > 0 {
            text.push_str(&count.to_string());
            text.push_str(unit);
            rest %= millis;
        }
    }
    if text.is_empty() { "0s".to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn reads_what_people_write() {
        assert_eq!(parse("1h").unwrap(), Duration::from_secs(3600));
        assert_eq!(parse("1h30m").unwrap(), Duration::from_secs(5400));
        assert_eq!(parse("250ms").unwrap(), Duration::from_millis(250));
    }

    #[test]
    fn refuses_what_is_no_duration() {
        for text in [
            "",
            "1",
            "h",
            "1d",
            "-1s",
            "1.5h",
            "1m1h",
            "1s1s",
            " 1s",
            "99999999999999999999h",
            "1é",
        ] {
            assert!(parse(text).is_err(), "{text:?} was taken");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(millis in 0_u64..10_000_000_000) {
            let span = Duration::from_millis(millis);
            prop_assert_eq!(parse(&format(span)).unwrap(), span);
        }

        #[test]
        fn any_text_is_read_or_refused_without_a_panic(text in ".*") {
            drop(parse(&text));
        }
    }
}
