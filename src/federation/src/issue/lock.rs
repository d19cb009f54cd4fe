//! One issue at a time for each binding of this process. (Between processes the ledger decides.)

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use esi_core::BindingKey;
use tokio::sync::{Mutex as AsyncMutex, OwnedMutexGuard};

type Locks = Arc<Mutex<HashMap<BindingKey, Arc<AsyncMutex<()>>>>>;

/// The locks of the bindings that are being issued for; as many as there are issues under way.
#[derive(Debug, Default)]
pub(super) struct BindingLocks(Locks);

/// The right to issue for one binding.
#[derive(Debug)]
pub(super) struct BindingGuard {
    locks: Locks,
    key: BindingKey,
    guard: Option<OwnedMutexGuard<()>>,
}

impl BindingLocks {
    /// Waits for its turn; turns come in order.
    pub(super) async fn acquire(&self, key: &BindingKey) -> BindingGuard {
        let lock = {
            let mut locks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(locks.entry(key.clone()).or_default())
        };
        let guard = Some(lock.lock_owned().await);
        BindingGuard {
            locks: Arc::clone(&self.0),
            key: key.clone(),
            guard,
        }
    }
}

impl Drop for BindingGuard {
    fn drop(&mut self) {
        let mut locks = self.locks.lock().unwrap_or_else(PoisonError::into_inner);
        drop(self.guard.take());
        // Only the map's own reference is left: nobody waits.
        if locks
            .get(&self.key)
            .is_some_and(|lock| Arc::strong_count(lock) == 1)
        {
            locks.remove(&self.key);
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
        let locks = Arc::new(BindingLocks::default());
        let first = locks.acquire(&key("db")).await;
        let _other = locks.acquire(&key("cache")).await;
        let waiting = tokio::spawn({
            let locks = Arc::clone(&locks);
            async move { drop(locks.acquire(&key("db")).await) }
        });
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        drop(first);
        waiting.await.unwrap();
    }

    #[tokio::test]
    async fn nothing_is_left_of_a_lock_that_nobody_holds() {
        let locks = BindingLocks::default();
        drop(locks.acquire(&key("db")).await);
        assert!(locks.0.lock().unwrap().is_empty());
    }
}
