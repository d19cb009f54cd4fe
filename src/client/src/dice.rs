//! Randomness for jitter: so that a thousand pods that start together do not ask together.

use rustix::rand::{GetRandomFlags, getrandom};

/// A fraction, evenly spread over 0 (inclusive) to 1 (exclusive).
#[derive(Debug, Clone, Copy)]
pub struct Dice(f64);

impl Dice {
    /// Throws it. Without kernel randomness it is one half: jitter is lost, nothing else.
    #[must_use]
    pub fn throw() -> Self {
        let mut bytes = [0_u8; 4];
        match getrandom(&mut bytes, GetRandomFlags::NONBLOCK) {
            Ok(4) => Self(f64::from(u32::from_ne_bytes(bytes)) / (f64::from(u32::MAX) + 1.0)),
            _ => Self(0.5),
        }
    }

    /// One that fell on `fraction`: for a decision that has to be foreseen.
    #[must_use]
    pub const fn fixed(fraction: f64) -> Self {
        Self(fraction)
    }

    /// The fraction.
    #[must_use]
    pub const fn fraction(self) -> f64 {
        self.0
    }
}
