//! One issue at a time for each binding of this process, and what a revocation says to those that wait. (Between
//! processes the ledger decides.)

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use esi_core::BindingKey;
use esi_core::names::ObjectName;
use tokio::sync::{Mutex as AsyncMutex, OwnedMutexGuard};

type Queues = Arc<Mutex<HashMap<BindingKey, Arc<Queue>>>>;

/// The queues of the bindings that are being issued for; as many as there are issues under way.
#[derive(Debug, Default)]
pub(super) struct BindingLocks(Queues);

#[derive(Debug, Default)]
struct Queue {
    turn: Arc<AsyncMutex<()>>,
    revoked: Mutex<Revocations>,
}

/// Counts the revocations of a binding, as long as somebody is in its queue.
#[derive(Debug, Default)]
struct Revocations {
    /// By its workload.
    own: u64,
    /// By the daemon of a node: it counts for those places only whose workload is on that node.
    by_node: BTreeMap<ObjectName, u64>,
}

impl Queue {
    /// How many revocations were for a workload on this node.
    fn revoked_on(&self, node: Option<&ObjectName>) -> u64 {
        let revoked = self.revoked.lock().unwrap_or_else(PoisonError::into_inner);
        let by_node = node.and_then(|node| revoked.by_node.get(node)).copied();
        revoked.own + by_node.unwrap_or(0)
    }
}

/// A place in the queue of one binding.
#[derive(Debug)]
pub(super) struct Place {
    queues: Queues,
    key: BindingKey,
    queue: Arc<Queue>,
    /// Where its workload is, where that is known.
    node: Option<ObjectName>,
    /// The revocations before it came.
    seen: u64,
    turn: Option<OwnedMutexGuard<()>>,
}

impl BindingLocks {
    /// The last place in a binding's queue, for a workload on `node`.
    pub(super) fn enter(&self, key: &BindingKey, node: Option<&ObjectName>) -> Place {
        let mut queues = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let queue = Arc::clone(queues.entry(key.clone()).or_default());
        drop(queues);
        Place {
            queues: Arc::clone(&self.0),
            key: key.clone(),
            node: node.cloned(),
            seen: queue.revoked_on(node),
            queue,
            turn: None,
        }
    }

    /// All that have a place in the binding's queue now are not to mint; of a revocation by a node's daemon, all
    /// whose workload is on that node.
    pub(super) fn revoke(&self, key: &BindingKey, by_node: Option<&ObjectName>) {
        let queues = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(queue) = queues.get(key) {
            let mut revoked = queue.revoked.lock().unwrap_or_else(PoisonError::into_inner);
            match by_node {
                None => revoked.own += 1,
                Some(node) => *revoked.by_node.entry(node.clone()).or_default() += 1,
            }
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
        self.queue.revoked_on(self.node.as_ref()) != self.seen
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
        let mut first = locks.enter(&key("db"), None);
        first.turn().await;
        locks.enter(&key("cache"), None).turn().await;
        let mut second = locks.enter(&key("db"), None);
        let waiting = tokio::spawn(async move { second.turn().await });
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        drop(first);
        waiting.await.unwrap();
    }

    #[test]
    fn a_revocation_is_for_those_in_the_queue_of_its_binding_and_not_for_who_comes_later() {
        let locks = BindingLocks::default();
        let (before, other) = (locks.enter(&key("db"), None), locks.enter(&key("cache"), None));
        locks.revoke(&key("db"), None);
        assert!(before.is_revoked() && !other.is_revoked());
        assert!(!locks.enter(&key("db"), None).is_revoked(), "it came later");
    }

    #[test]
    fn a_revocation_by_a_node_is_for_those_on_it_only() {
        let locks = BindingLocks::default();
        let [here, there] = ["n1", "n2"].map(|node| node.parse::<ObjectName>().unwrap());
        let on = |node| locks.enter(&key("db"), node);
        let (mine, theirs, nobodys) = (on(Some(&here)), on(Some(&there)), on(None));
        locks.revoke(&key("db"), Some(&here));
        assert!(mine.is_revoked());
        assert!(!theirs.is_revoked() && !nobodys.is_revoked());
        assert!(!on(Some(&here)).is_revoked(), "it came later");
        locks.revoke(&key("db"), None);
        assert!(theirs.is_revoked() && nobodys.is_revoked());
    }

    #[tokio::test]
    async fn nothing_is_left_of_a_queue_that_nobody_is_in() {
        let locks = BindingLocks::default();
        locks.enter(&key("db"), None).turn().await;
        locks.revoke(&key("cache"), None);
        let mut first = locks.enter(&key("db"), None);
        first.turn().await;
        let mut second = locks.enter(&key("db"), None);
        let gave_up = tokio::time::timeout(std::time::Duration::ZERO, second.turn()).await;
        assert!(gave_up.is_err());
        drop((first, second));
        assert!(locks.0.lock().unwrap().is_empty());
    }
}
