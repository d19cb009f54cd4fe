//! How many issues may be under way at once, in all and at one generator.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use esi_core::names::GeneratorRef;

/// Of all places, the share that one generator may take: a backend that hangs, or the workloads of one that are many
/// or hostile, leave the others theirs.
const SHARE: usize = 2;

type Taken = BTreeMap<GeneratorRef, usize>;

/// The places.
#[derive(Debug)]
pub(super) struct Slots {
    all: usize,
    taken: Arc<Mutex<Taken>>,
}

/// A place at one generator, until it is dropped.
#[derive(Debug)]
pub(super) struct Slot {
    taken: Arc<Mutex<Taken>>,
    generator: GeneratorRef,
}

impl Slots {
    pub(super) fn new(all: usize) -> Self {
        Self {
            all,
            taken: Arc::default(),
        }
    }

    /// A place, if there is one.
    pub(super) fn take(&self, generator: &GeneratorRef) -> Option<Slot> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let here = taken.get(generator).copied().unwrap_or_default();
        if taken.values().sum::<usize>() >= self.all || here >= (self.all / SHARE).max(1) {
            return None;
        }
        taken.insert(generator.clone(), here + 1);
        drop(taken);
        Some(Slot {
            taken: Arc::clone(&self.taken),
            generator: generator.clone(),
        })
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        match taken.get_mut(&self.generator) {
            Some(number) if *number > 1 => *number -= 1,
            _ => drop(taken.remove(&self.generator)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn generator(name: &str) -> GeneratorRef {
        format!("Fake/demo/{name}").parse().unwrap()
    }

    fn take(slots: &Slots, name: &str, number: usize) -> Vec<Slot> {
        (0..number).map_while(|_| slots.take(&generator(name))).collect()
    }

    #[test]
    fn one_generator_leaves_places_to_the_others() {
        let slots = Slots::new(4);
        let hanging = take(&slots, "hanging", 9);
        assert_eq!(hanging.len(), 2);
        assert_eq!(take(&slots, "well", 9).len(), 2);
    }

    #[test]
    fn there_are_not_more_than_there_are_and_they_come_back() {
        let slots = Slots::new(4);
        let held = [take(&slots, "a", 2), take(&slots, "b", 2)];
        assert!(slots.take(&generator("c")).is_none());
        drop(held);
        assert!(slots.taken.lock().unwrap().is_empty());
        assert_eq!(take(&slots, "c", 9).len(), 2);
    }
}
