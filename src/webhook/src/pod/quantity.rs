//! Kubernetes quantities, as far as it takes to compare them: `500m`, `1.5`, `128Mi`, `1e3`.

use crate::json::Value;

/// An amount, in 10⁻⁹ of its unit (Kubernetes' own smallest step). Never below zero; saturates far above what any
/// machine has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Quantity(u128);

/// Digits that are read: beyond them a quantity is larger than 2¹²⁸ or finer than 10⁻⁹ anyway.
const MAX_DIGITS: usize = 40;

impl Quantity {
    /// Reads a quantity; absent where it is none.
    pub(crate) fn read(value: Value<'_>) -> Option<Self> {
        match value.as_str() {
            Some(text) => Self::parse(text),
            None => Self::parse(&value.as_number()?.to_string()),
        }
    }

    /// Reads the text of a quantity; absent where it is none.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        parse(text)
    }

    pub(crate) const fn is_zero(self) -> bool {
        self.0 == 0
    }

    pub(crate) const fn plus(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

fn parse(text: &str) -> Option<Quantity> {
    let text = text.strip_prefix('+').unwrap_or(text);
    let end = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let (number, suffix) = text.split_at_checked(end)?;
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if (whole.is_empty() && fraction.is_empty()) || fraction.contains('.') {
        return None;
    }
    let (factor, power) = unit(suffix)?;
    // value = digits · 10^(−len(fraction)) · factor · 10^power, in units of 10⁻⁹.
    let digits = whole.bytes().chain(fraction.bytes()).take(MAX_DIGITS);
    let value = digits.fold(0_u128, |value, digit| {
        value
            .saturating_mul(10)
            .saturating_add(u128::from(digit.saturating_sub(b'0')))
    });
    let power = power
        .saturating_add(9)
        .saturating_sub(i32::try_from(fraction.len()).ok()?);
    let value = value.saturating_mul(factor);
    let scale = 10_u128.checked_pow(power.unsigned_abs()).unwrap_or(u128::MAX);
    Some(Quantity(if power < 0 {
        value.div_ceil(scale)
    } else {
        value.saturating_mul(scale)
    }))
}

/// A suffix as a factor and a power of ten.
fn unit(suffix: &str) -> Option<(u128, i32)> {
    Some(match suffix {
        "n" => (1, -9),
        "u" => (1, -6),
        "m" => (1, -3),
        "" => (1, 0),
        "k" => (1, 3),
        "M" => (1, 6),
        "G" => (1, 9),
        "T" => (1, 12),
        "P" => (1, 15),
        "E" => (1, 18),
        "Ki" => (1 << 10, 0),
        "Mi" => (1 << 20, 0),
        "Gi" => (1 << 30, 0),
        "Ti" => (1 << 40, 0),
        "Pi" => (1 << 50, 0),
        "Ei" => (1 << 60, 0),
        _ => (1, suffix.strip_prefix(['e', 'E'])?.parse::<i32>().ok()?),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::json::Json;

    fn read(value: &serde_json::Value) -> Option<Quantity> {
        Quantity::read(Json::of(value).root())
    }

    #[test]
    fn equal_amounts_are_equal_however_they_are_written() {
        for (one, other) in [
            (json!("1"), json!("1000m")),
            (json!("1Gi"), json!("1024Mi")),
            (json!("1Gi"), json!("1073741824")),
            (json!("1.5"), json!("1500m")),
            (json!("1e3"), json!("1k")),
            (json!("1E3"), json!("1k")),
            (json!("0.5Ki"), json!("512")),
            (json!(2), json!("2")),
            (json!(0.5), json!("500m")),
            (json!("+3"), json!("3")),
        ] {
            assert_eq!(read(&one), read(&other), "{one} {other}");
            assert!(read(&one).is_some(), "{one}");
        }
        assert!(read(&json!("1Gi")) > read(&json!("1G")));
    }

    #[test]
    fn what_is_no_quantity_is_none() {
        for none in [
            json!(""),
            json!("."),
            json!("1.2.3"),
            json!("Mi"),
            json!("1mi"),
            json!("-1"),
            json!(null),
        ] {
            assert_eq!(read(&none), None, "{none}");
        }
    }

    #[test]
    fn absurd_amounts_saturate() {
        let huge = read(&json!("9e2147483647"));
        assert_eq!(huge, Some(Quantity(u128::MAX)));
        assert_eq!(huge.map(|huge| huge.plus(huge)), huge);
        let digits = "9".repeat(200_000);
        assert!(read(&json!(digits)).is_some());
        assert!(read(&json!("0e99999")).is_some_and(Quantity::is_zero));
    }
}
