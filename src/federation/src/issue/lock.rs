//! One issue at a time for each binding of this process, and what a revocation says to those that wait. (Between
//! processes the ledger decides.)

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use esi_core::BindingKey;
use tokio::sync::{Mutex as AsyncMutex, OwnedMutexGuard};

type Queues = Arc<Mutex<HashMap<BindingKey, Arc<Queue>>>>;

/// The queues of the bindings that are being issued for; as many as there are issues under way.
#[derive(Debug, Default)]
pub(super) struct BindingLocks(Queues);

#[derive(Debug, Default)]
struct Queue {
    turn: Arc<AsyncMutex<()>>,
    /// Counts the revocations of the binding.
    revoked: AtomicU64,
}

/// A place in the queue of one binding.
#[derive(Debug)]
pub(super) struct Place {
    queues: Queues,
    key: BindingKey,
    queue: Arc<Queue>,
    /// The revocations before it came.
    seen: u64,
    turn: Option<OwnedMutexGuard<()>>,
}

impl BindingLocks {
    /// The last place in a binding's queue.
    pub(super) fn enter(&self, key: &BindingKey) -> Place {
        let mut queues = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let queue = Arc::clone(queues.entry(key.clone()).or_default());
        drop(queues);
        Place {
            queues: Arc::clone(&self.0),
            key: key.clone(),
            seen: queue.revoked.load(Ordering::SeqCst),
            queue,
            turn: None,
        }
    }

    /// All that have a place in the binding's queue now are not to mint.
    pub(super) fn revoke(&self, key: &BindingKey) {
        let queues = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(queue) = queues.get(key) {
            queue.revoked.fetch_add(1, Ordering::SeqCst);
        }
    }
}

impl Place {
    /// Waits for its turn, which lasts until the place is dropped. Turns come in the order of waiting.
    pub(super) async fn turn(&mut self) {
        self.turn = Some(Arc::clone(&self.queue.turn).lock_owned().await);
    }

    /// Whether the binding was revoked since it came.
    pub(super) fn is_revoked(&self) -> bool {
        self.queue.revoked.load(Ordering::SeqCst) != self.seen
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut queues = self.queues.lock().unwrap_or_else(PoisonError::into_inner);
        drop(self.turn.take());
        // Only the map and this place hold it: nobody else is in the queue.
        if Arc::strong_count(&self.queue) == 2 {
            queues.remove(&self.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(binding: &str) -> BindingKey {
        BindingKey {
            cluster: "dev".parse().unwrap(),
            instance: "pod:1".to_owned(),
            binding: binding.parse().unwrap(),
        }
    }

    #[tokio::test]
    async fn a_second_issue_for_the_same_binding_waits_and_another_binding_does_not() {
        let locks = BindingLocks::default();
        let mut first = locks.enter(&key("db"));
        first.turn().await;
        locks.enter(&key("cache")).turn().await;
        let mut second = locks.enter(&key("db"));
        let waiting = tokio::spawn(async move { second.turn().await });
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        drop(first);
        waiting.await.unwrap();
    }

    #[test]
    fn a_revocation_is_for_those_in_the_queue_of_its_binding_and_not_for_who_comes_later() {
        let locks = BindingLocks::default();
        let (before, other) = (locks.enter(&key("db")), locks.enter(&key("cache")));
        locks.revoke(&key("db"));
        assert!(before.is_revoked() && !other.is_revoked());
        assert!(!locks.enter(&key("db")).is_revoked(), "it came later");
    }

    #[tokio::test]
    async fn nothing_is_left_of_a_queue_that_nobody_is_in() {
        let locks = BindingLocks::default();
        locks.enter(&key("db")).turn().await;
        locks.revoke(&key("cache"));
        let mut first = locks.enter(&key("db"));
        first.turn().await;
        let mut second = locks.enter(&key("db"));
        let gave_up = tokio::time::timeout(std::time::Duration::ZERO, second.turn()).await;
        assert!(gave_up.is_err());
        drop((first, second));
        assert!(locks.0.lock().unwrap().is_empty());
    }
}
