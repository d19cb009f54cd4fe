//! Randomness for jitter: so that a thousand pods that start together do not ask together.

use rustix::rand::{GetRandomFlags, getrandom};

/// A fraction, evenly spread over 0 (inclusive) to 1 (exclusive).
#[derive(Debug, Clone, Copy)]
pub(crate) struct Dice(f64);

impl Dice {
    /// Throws it. Without kernel randomness it is one half: jitter is lost, nothing else.
    pub(crate) fn throw() -> Self {
        let mut bytes = [0_u8; 4];
        match getrandom(&mut bytes, GetRandomFlags::NONBLOCK) {
            Ok(4) => Self(f64::from(u32::from_ne_bytes(bytes)) / (f64::from(u32::MAX) + 1.0)),
            _ => Self(0.5),
        }
    }

    /// One that fell on `fraction`.
    #[cfg(test)]
    pub(crate) const fn fixed(fraction: f64) -> Self {
        Self(fraction)
    }

    /// The fraction.
    pub(crate) const fn fraction(self) -> f64 {
        self.0
    }
}
