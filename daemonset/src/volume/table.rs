//! Whose turn it is at which volume.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{OwnedMutexGuard, watch};

use crate::request::VolumeId;
use crate::state::Record;

/// All volumes that have a record or a call. Bounded by the pods of a node, and by the releases that the server has
/// not taken yet.
#[derive(Debug, Default)]
pub(super) struct Table(Mutex<HashMap<VolumeId, Arc<Slot>>>);

#[derive(Debug, Default)]
struct Slot {
    busy: Arc<tokio::sync::Mutex<()>>,
    record: Mutex<Option<Record>>,
    /// Whoever has the turn leaves the volume whole all the while.
    kept: AtomicBool,
    /// How many unpublishes wait for the turn.
    leaving: watch::Sender<usize>,
}

impl Table {
    /// Puts in what was recorded before this process began.
    pub(super) fn put(&self, record: Record) {
        let slot = self.slot(&record.id);
        *locked(&slot.record) = Some(record);
    }

    /// All records, as they are now.
    pub(super) fn records(&self) -> Vec<Record> {
        locked(&self.0)
            .values()
            .filter_map(|slot| locked(&slot.record).clone())
            .collect()
    }

    /// The turn, if nobody has it.
    pub(super) fn try_turn(self: &Arc<Self>, id: &VolumeId) -> Option<Turn> {
        let slot = self.slot(id);
        let guard = Arc::clone(&slot.busy).try_lock_owned();
        let turn = Turn {
            table: Arc::clone(self),
            id: id.clone(),
            slot,
            guard: guard.ok(),
        };
        turn.guard.is_some().then_some(turn)
    }

    /// The record of a volume whose turn somebody has who leaves it whole.
    pub(super) fn kept(&self, id: &VolumeId) -> Option<Record> {
        let slots = locked(&self.0);
        let kept = slots
            .get(id)
            .filter(|slot| slot.kept.load(Ordering::Acquire))
            .and_then(|slot| locked(&slot.record).clone());
        drop(slots);
        kept
    }

    /// The turn, once whoever has it has stopped: it is asked to.
    pub(super) async fn stop(self: &Arc<Self>, id: &VolumeId) -> Turn {
        let mut turn = Turn {
            table: Arc::clone(self),
            id: id.clone(),
            slot: self.slot(id),
            guard: None,
        };
        let slot = Arc::clone(&turn.slot);
        let leaving = Leaving::at(&slot);
        turn.guard = Some(Arc::clone(&slot.busy).lock_owned().await);
        drop(leaving);
        turn
    }

    fn slot(&self, id: &VolumeId) -> Arc<Slot> {
        Arc::clone(locked(&self.0).entry(id.clone()).or_default())
    }
}

struct Leaving<'s>(&'s Slot);

impl<'s> Leaving<'s> {
    fn at(slot: &'s Slot) -> Self {
        slot.leaving
            .send_modify(|waiting| *waiting = waiting.saturating_add(1));
        Self(slot)
    }
}

impl Drop for Leaving<'_> {
    fn drop(&mut self) {
        self.0
            .leaving
            .send_modify(|waiting| *waiting = waiting.saturating_sub(1));
    }
}

/// The turn at one volume: while it is held nobody else does anything to the volume.
#[derive(Debug)]
pub(super) struct Turn {
    table: Arc<Table>,
    id: VolumeId,
    slot: Arc<Slot>,
    guard: Option<OwnedMutexGuard<()>>,
}

impl Turn {
    pub(super) fn record(&self) -> Option<Record> {
        locked(&self.slot.record).clone()
    }

    pub(super) fn set(&self, record: Option<Record>) {
        *locked(&self.slot.record) = record;
    }

    /// Says that the volume is left whole for as long as this turn is held.
    pub(super) fn keep(&self) {
        self.slot.kept.store(true, Ordering::Release);
    }

    /// Returns once an unpublish waits for this turn.
    pub(super) async fn stopped(&self) {
        let mut leaving = self.slot.leaving.subscribe();
        // The sender is in the slot, which this turn holds: it cannot be gone.
        match leaving.wait_for(|waiting| *waiting > 0).await {
            Ok(_) | Err(_) => {}
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut slots = locked(&self.table.0);
        // Only by whoever has the turn: one that was refused it goes through here as well.
        if self.guard.is_some() {
            self.slot.kept.store(false, Ordering::Release);
        }
        self.guard = None;
        let slot = std::mem::take(&mut self.slot);
        // The table's and this one: nobody waits for a volume of which nothing is known.
        if Arc::strong_count(&slot) <= 2 && locked(&slot.record).is_none() {
            slots.remove(&self.id);
        }
        // Counted until here, under the lock: of two that let go at once the second sees that it is the last.
        drop(slot);
        drop(slots);
    }
}

/// Nothing is done under these locks that could leave half of anything.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::test_record;

    fn len(table: &Table) -> usize {
        locked(&table.0).len()
    }

    #[tokio::test]
    async fn one_has_the_turn_at_a_volume_and_another_volume_is_not_waited_for() {
        let table = Arc::new(Table::default());
        let one = test_record().id;
        let other: VolumeId = format!("csi-{}", "0".repeat(64)).parse().unwrap();
        let turn = table.try_turn(&one).unwrap();
        assert!(table.try_turn(&one).is_none());
        assert!(table.try_turn(&other).is_some());
        drop(turn);
        assert!(table.try_turn(&one).is_some());
    }

    #[tokio::test]
    async fn whoever_has_the_turn_hears_that_an_unpublish_waits() {
        let table = Arc::new(Table::default());
        let id = test_record().id;
        let turn = table.try_turn(&id).unwrap();
        let waiting = tokio::spawn({
            let (table, id) = (Arc::clone(&table), id.clone());
            async move { table.stop(&id).await }
        });
        turn.stopped().await;
        drop(turn);
        let turn = waiting.await.unwrap();
        assert!(table.try_turn(&id).is_none());
        tokio::select! {
            biased;
            () = turn.stopped() => panic!("nobody waits any more"),
            () = std::future::ready(()) => {}
        }
        drop(turn);
    }

    #[tokio::test]
    async fn whoever_has_the_turn_can_say_that_the_volume_is_left_whole() {
        let table = Arc::new(Table::default());
        let record = test_record();
        table.put(record.clone());
        let turn = table.try_turn(&record.id).unwrap();
        assert_eq!(table.kept(&record.id), None);
        turn.keep();
        drop(table.try_turn(&record.id));
        assert_eq!(table.kept(&record.id), Some(record.clone()));
        drop(turn);
        assert_eq!(table.kept(&record.id), None);
        drop(table.try_turn(&record.id).unwrap());
        assert_eq!(table.kept(&record.id), None);
    }

    #[tokio::test]
    async fn nothing_is_kept_of_a_volume_of_which_nothing_is_known() {
        let table = Arc::new(Table::default());
        let record = test_record();
        drop(table.try_turn(&record.id));
        drop(table.stop(&record.id).await);
        assert_eq!(len(&table), 0);
        table.put(record.clone());
        drop(table.try_turn(&record.id));
        assert_eq!(table.records(), std::slice::from_ref(&record));
        table.stop(&record.id).await.set(None);
        assert_eq!(len(&table), 0);
    }
}
