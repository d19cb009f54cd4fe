//! How long to wait after a failure.

use std::fmt;
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::sync::Arc;
use std::time::Duration;

/// Where randomness comes from: a number in 0..=1.
#[derive(Clone)]
pub(super) struct Jitter(Arc<dyn Fn() -> f64 + Send + Sync>);

impl fmt::Debug for Jitter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Jitter")
    }
}

impl Jitter {
    #[cfg(test)]
    pub(super) fn fixed(value: f64) -> Self {
        Self(Arc::new(move || value))
    }

    /// Good enough to spread retries: the standard library seeds its hash maps from the system.
    pub(super) fn random() -> Self {
        Self(Arc::new(|| {
            let number = RandomState::new().build_hasher().finish() >> 32;
            f64::from(u32::try_from(number).unwrap_or(u32::MAX)) / f64::from(u32::MAX)
        }))
    }

    pub(super) fn next(&self) -> f64 {
        (self.0)().clamp(0.0, 1.0)
    }
}

/// The pause after `failures` failed attempts (at least one): `first` doubled with each further one, at most
/// `longest`; of that, between a half and all, so that what failed together does not come back together.
pub(super) fn pause(first: Duration, longest: Duration, failures: u32, jitter: f64) -> Duration {
    let doubled = 2_u32
        .checked_pow(failures.saturating_sub(1))
        .and_then(|factor| first.checked_mul(factor))
        .map_or(longest, |pause| pause.min(longest));
    doubled.mul_f64(0.5 + jitter / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn secs(number: u64) -> Duration {
        Duration::from_secs(number)
    }

    #[test]
    fn it_doubles_up_to_its_cap_and_never_overflows() {
        let pauses: Vec<_> = (1..=11)
            .map(|failures| pause(secs(1), secs(300), failures, 1.0).as_secs())
            .collect();
        assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]);
        assert_eq!(pause(secs(1), secs(300), u32::MAX, 1.0), secs(300));
    }

    #[test]
    fn jitter_takes_at_most_a_half() {
        assert_eq!(pause(secs(1), secs(300), 4, 0.0), secs(4));
        assert_eq!(pause(secs(1), secs(300), 4, 0.5), secs(6));
    }

    #[test]
    fn randomness_is_spread_over_its_range() {
        let jitter = Jitter::random();
        let numbers: Vec<_> = (0..1000).map(|_| jitter.next()).collect();
        assert!(numbers.iter().all(|number| (0.0..=1.0).contains(number)));
        let low = numbers.iter().filter(|number| **number < 0.5).count();
        assert!((300..700).contains(&low), "{low} of 1000 are below a half");
    }
}
