//! Whether the program can do its work, and if not, what it waits for.
//!
//! Readiness is the absence of blockers. Whoever must finish something first holds a [`Blocker`] and drops
//! it when done; there is no state to set, so none can be forgotten on an early return.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::watch;

/// The set of what is still awaited. Clones share it.
#[derive(Debug, Clone)]
pub struct Readiness {
    /// Name to number of blockers of that name: two caches of one name are two waits.
    awaited: Arc<watch::Sender<BTreeMap<&'static str, usize>>>,
}

/// While it lives, the program is not ready.
#[derive(Debug)]
#[must_use = "dropping it says that the wait is over"]
pub struct Blocker {
    name: &'static str,
    readiness: Readiness,
}

impl Default for Readiness {
    fn default() -> Self {
        Self {
            awaited: Arc::new(watch::Sender::new(BTreeMap::new())),
        }
    }
}

impl Readiness {
    /// Ready at once: nothing is awaited yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Not ready until the answer is dropped. `name` is shown to people: "catalog", "ledger".
    pub fn block(&self, name: &'static str) -> Blocker {
        self.awaited
            .send_modify(|awaited| *awaited.entry(name).or_insert(0) += 1);
        Blocker {
            name,
            readiness: self.clone(),
        }
    }

    /// Whether nothing is awaited.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.awaited.borrow().is_empty()
    }

    /// The names of what is awaited, sorted, each once.
    #[must_use]
    pub fn awaited(&self) -> Vec<&'static str> {
        self.awaited.borrow().keys().copied().collect()
    }

    /// Waits until nothing is awaited.
    pub async fn ready(&self) {
        let mut changes = self.awaited.subscribe();
        // Fails only when the sender is gone, and `self` holds it.
        if changes.wait_for(BTreeMap::is_empty).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

impl Drop for Blocker {
    fn drop(&mut self) {
        let name = self.name;
        self.readiness.awaited.send_modify(|awaited| {
            if let Some(count) = awaited.get_mut(name) {
                *count -= 1;
                if *count == 0 {
                    awaited.remove(name);
                }
            }
        });
        let still = self.readiness.awaited();
        if still.is_empty() {
            tracing::info!(done = name, "ready");
        } else {
            tracing::info!(done = name, awaited = ?still, "not ready yet");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_awaited_is_named_until_its_blocker_is_dropped() {
        let readiness = Readiness::new();
        let catalog = readiness.block("catalog");
        let ledger = readiness.block("ledger");
        assert_eq!(readiness.awaited(), ["catalog", "ledger"]);
        drop(catalog);
        assert_eq!(readiness.awaited(), ["ledger"]);
        drop(ledger);
        assert!(readiness.is_ready());
    }

    #[test]
    fn two_blockers_of_one_name_are_two_waits() {
        let readiness = Readiness::new();
        let first = readiness.block("cache");
        let second = readiness.block("cache");
        drop(first);
        assert!(!readiness.is_ready());
        drop(second);
        assert!(readiness.is_ready());
    }

    #[tokio::test]
    async fn a_wait_ends_when_the_last_blocker_is_dropped() {
        let readiness = Readiness::new();
        let blocker = readiness.block("catalog");
        let waiting = tokio::spawn({
            let readiness = readiness.clone();
            async move { readiness.ready().await }
        });
        assert!(!waiting.is_finished());
        drop(blocker);
        waiting.await.unwrap();
    }
}
