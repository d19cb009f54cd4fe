//! Values held for a moment, so that the retry of a call whose answer was lost gets the same credential.
//!
//! Bounded in time, count and bytes; zeroised when dropped; never written anywhere. After the moment, or a restart,
//! a retry begins the next generation and the unseen one is revoked: never two live.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use esi_core::names::GeneratorRef;
use esi_core::{BindingKey, RequestId};
use tokio::time::Instant;

use super::Issued;

/// How long a value is held. The contract of `Issue` (design: §5.4).
pub(super) const HOLD_FOR: Duration = Duration::from_secs(60);
/// Most values held: at a storm of issues the oldest go early, and their retries get the next generation.
const MAX_VALUES: usize = 16 * 1024;
/// Most bytes of credentials held.
const MAX_BYTES: usize = 32 * 1024 * 1024;

type Key = (BindingKey, RequestId);

/// The held values.
#[derive(Debug, Default)]
pub struct Held(Mutex<Entries>);

#[derive(Debug, Default)]
struct Entries {
    values: HashMap<Key, Issued>,
    /// Oldest first; a key comes once, since a second `put` of it is ignored.
    order: VecDeque<(Instant, Key)>,
    bytes: usize,
}

impl Held {
    /// Holds a copy of what was issued.
    pub(super) fn put(&self, key: &BindingKey, request: &RequestId, issued: &Issued) {
        let now = Instant::now();
        let mut entries = self.lock();
        entries.drop_until(now);
        let key = (key.clone(), request.clone());
        entries.remove(&key);
        entries.bytes += issued.credential.bytes();
        entries.values.insert(key.clone(), copy(issued));
        entries.order.push_back((now, key));
        while entries.values.len() > MAX_VALUES || entries.bytes > MAX_BYTES {
            if !entries.drop_oldest() {
                break;
            }
        }
    }

    /// A copy of what this attempt got from this generator before.
    pub(super) fn get(
        &self,
        key: &BindingKey,
        request: &RequestId,
        generator: &GeneratorRef,
    ) -> Option<Issued> {
        let mut entries = self.lock();
        entries.drop_until(Instant::now());
        let held = entries
            .values
            .get(&(key.clone(), request.clone()))
            .filter(|held| held.lease.generator == *generator);
        let copied = held.map(copy);
        drop(entries);
        copied
    }

    /// Drops what has been held long enough. Called regularly, so that nothing outlives its moment in an idle server.
    pub fn expire(&self) {
        self.lock().drop_until(Instant::now());
    }

    fn lock(&self) -> MutexGuard<'_, Entries> {
        // The entries are consistent after every statement: a panic elsewhere does not spoil them.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entries {
    fn drop_until(&mut self, now: Instant) {
        while self
            .order
            .front()
            .is_some_and(|(since, _)| now.duration_since(*since) >= HOLD_FOR)
        {
            self.drop_oldest();
        }
    }

    fn drop_oldest(&mut self) -> bool {
        let Some((_, key)) = self.order.pop_front() else {
            return false;
        };
        if let Some(issued) = self.values.remove(&key) {
            self.bytes -= issued.credential.bytes();
        }
        true
    }

    fn remove(&mut self, key: &Key) {
        if let Some(issued) = self.values.remove(key) {
            self.bytes -= issued.credential.bytes();
            self.order.retain(|(_, other)| other != key);
        }
    }
}

fn copy(issued: &Issued) -> Issued {
    Issued {
        credential: issued.credential.duplicate(),
        lease: issued.lease.clone(),
    }
}

#[cfg(test)]
mod tests {
    use esi_core::{Credential, SecretBytes};
    use esi_ledger::port::Lease;

    use super::*;

    fn key(binding: &str) -> BindingKey {
        BindingKey {
            cluster: "dev".parse().unwrap(),
            instance: "pod:1".to_owned(),
            binding: binding.parse().unwrap(),
        }
    }

    fn issued(binding: &str, bytes: usize) -> Issued {
        let values = [("password".to_owned(), SecretBytes::new(vec![b'x'; bytes]))];
        let lease = Lease {
            key: key(binding),
            ..crate::testing::lease()
        };
        Issued {
            credential: Credential::new(values.into()).unwrap(),
            lease,
        }
    }

    fn is_held(held: &Held, binding: &str, request: &RequestId) -> bool {
        held.get(&key(binding), request, &"Fake/demo/x".parse().unwrap())
            .is_some()
    }

    #[tokio::test(start_paused = true)]
    async fn a_value_is_held_for_sixty_seconds_and_not_longer() {
        let (held, request) = (Held::default(), RequestId::random());
        held.put(&key("db"), &request, &issued("db", 8));
        tokio::time::advance(HOLD_FOR - Duration::from_millis(1)).await;
        assert!(is_held(&held, "db", &request));
        tokio::time::advance(Duration::from_millis(1)).await;
        assert!(!is_held(&held, "db", &request));
        assert_eq!(held.lock().bytes, 0);
    }

    #[tokio::test]
    async fn a_value_belongs_to_its_binding_its_attempt_and_its_generator() {
        let (held, request) = (Held::default(), RequestId::random());
        held.put(&key("db"), &request, &issued("db", 8));
        assert!(!is_held(&held, "cache", &request));
        assert!(!is_held(&held, "db", &RequestId::random()));
        assert!(
            held.get(&key("db"), &request, &"Fake/demo/other".parse().unwrap())
                .is_none()
        );
    }

    #[tokio::test]
    async fn the_oldest_goes_when_too_many_bytes_are_held() {
        let held = Held::default();
        let requests: Vec<RequestId> = (0..40).map(|_| RequestId::random()).collect();
        for request in &requests {
            held.put(&key("db"), request, &issued("db", 1024 * 1024));
        }
        assert!(!is_held(&held, "db", &requests[0]));
        assert!(is_held(&held, "db", &requests[39]));
        assert!(held.lock().bytes <= MAX_BYTES);
    }
}
