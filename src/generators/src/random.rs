//! Random text from the system's cryptographic source, without bias.

use std::io;

use zeroize::Zeroizing;

use crate::error::GeneratorError;

/// A number below `bound`, each equally likely. `bound` is at least 1.
pub(crate) fn below(bound: u32) -> Result<u32, GeneratorError> {
    // Numbers at and above the largest multiple of the bound would make the small results likelier.
    let limit = u32::MAX - u32::MAX % bound.max(1);
    loop {
        let mut bytes = Zeroizing::new([0_u8; 4]);
        aws_lc_rs::rand::fill(&mut *bytes).map_err(|source| GeneratorError::Unavailable {
            action: "draw random numbers",
            source: Box::new(io::Error::other(source)),
        })?;
        let drawn = u32::from_le_bytes(*bytes);
        if drawn < limit {
            return Ok(drawn % bound.max(1));
        }
    }
}

/// Moves `count` of `items`, chosen at random, to the front in random order (Fisher and Yates).
pub(crate) fn shuffle<T>(items: &mut [T], count: usize) -> Result<(), GeneratorError> {
    for index in 0..count.min(items.len()) {
        let rest = u32::try_from(items.len() - index).unwrap_or(u32::MAX);
        items.swap(index, index + below(rest)? as usize);
    }
    Ok(())
}

/// One of `items`, of which there is at least one.
pub(crate) fn pick<T: Copy + Default>(items: &[T]) -> Result<T, GeneratorError> {
    let index = below(u32::try_from(items.len()).unwrap_or(u32::MAX))?;
    Ok(items.get(index as usize).copied().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_below_the_bound_comes_about_equally_often() {
        let mut seen = [0_u32; 7];
        for _ in 0..7000 {
            seen[below(7).unwrap() as usize] += 1;
        }
        // 1000 each; six standard deviations are 175.
        assert!(
            seen.iter().all(|&count| (825..=1175).contains(&count)),
            "{seen:?}"
        );
    }

    #[test]
    fn a_shuffle_keeps_every_item() {
        let mut items: Vec<u32> = (0..100).collect();
        shuffle(&mut items, 100).unwrap();
        assert_ne!(items, (0..100).collect::<Vec<_>>());
        items.sort_unstable();
        assert_eq!(items, (0..100).collect::<Vec<_>>());
    }
}
