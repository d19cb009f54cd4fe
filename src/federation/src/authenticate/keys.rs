//! The keys of one registered federation: inline, or fetched and cached.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use esi_core::names::ObjectName;
use esi_resources::federation::KubernetesFederation;
use esi_resources::jwk::{self, Key};
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::discovery::{self, DiscoveryError};
use super::error::AuthenticateError;
use super::jwt::Jwt;
use super::signature::verifies;

/// Least time between two fetches of one federation's keys: tokens with invented key ids cannot make the server
/// hammer a cluster.
pub(super) const REFETCH_INTERVAL: Duration = Duration::from_secs(10);
/// A key set older than this is fetched anew before it is used: a key that a cluster withdraws is refused from then.
const FRESH_FOR: Duration = Duration::from_secs(300);
/// While a cluster cannot be reached, its last key set is used for this long.
const USABLE_FOR: Duration = Duration::from_secs(3600);

/// One federation as a trust anchor.
#[derive(Debug)]
pub(super) struct TrustedIssuer {
    federation: KubernetesFederation,
    keys: ArcSwapOption<KeySet>,
    /// When the last fetch was tried, and how it failed. Held while fetching: one fetch at a time.
    fetch: Mutex<Option<Attempt>>,
}

#[derive(Debug)]
struct KeySet {
    issuer: String,
    keys: Vec<Key>,
    fetched_at: Instant,
}

#[derive(Debug)]
struct Attempt {
    at: Instant,
    failure: Option<Arc<DiscoveryError>>,
}

impl TrustedIssuer {
    pub(super) fn new(federation: KubernetesFederation) -> Self {
        Self {
            federation,
            keys: ArcSwapOption::empty(),
            fetch: Mutex::new(None),
        }
    }

    pub(super) fn name(&self) -> &ObjectName {
        &self.federation.name
    }

    /// Whether this anchor was made from exactly this resource, so that its keys may be kept.
    pub(super) fn is_for(&self, federation: &KubernetesFederation) -> bool {
        self.federation == *federation
    }

    /// The audiences that a token of this federation may name.
    pub(super) fn audiences<'a>(&'a self, default: &'a str) -> Vec<&'a str> {
        if self.federation.audiences.is_empty() {
            vec![default]
        } else {
            self.federation.audiences.iter().map(String::as_str).collect()
        }
    }

    /// Whether this federation's key signed the token; `false` where the token is not of its issuer at all.
    ///
    /// # Errors
    /// If the token is of its issuer, but not signed with a key it has, or if its keys cannot be had.
    pub(super) async fn verify(&self, jwt: &Jwt) -> Result<bool, AuthenticateError> {
        let Some(issuer) = jwt.claims.issuer() else {
            return Ok(false);
        };
        // An issuer that is known beforehand rules a foreign token out without a fetch.
        if self.federation.issuer.as_deref().is_some_and(|own| own != issuer) {
            return Ok(false);
        }
        let set = self.usable_keys().await?;
        if set.issuer != issuer {
            return Ok(false);
        }
        if let Some(verdict) = set.verdict(jwt) {
            return verdict;
        }
        let newer = self.refetch(&set).await?;
        newer.verdict(jwt).unwrap_or_else(|| {
            Err(AuthenticateError::UnknownKey {
                federation: self.federation.name.to_string(),
            })
        })
    }

    /// As if these had been discovered.
    #[cfg(test)]
    pub(super) fn discovered(&self, issuer: &str, document: &serde_json::Value) {
        let set = KeySet {
            issuer: issuer.to_owned(),
            keys: jwk::read_set(document).unwrap(),
            fetched_at: Instant::now(),
        };
        self.keys.store(Some(Arc::new(set)));
    }

    /// Whether its resource says its issuer.
    pub(super) fn issuer_is_written(&self) -> bool {
        self.federation.issuer.is_some()
    }

    /// Whether its issuer was discovered before.
    pub(super) fn issuer_is_known(&self) -> bool {
        self.keys.load().is_some()
    }

    async fn usable_keys(&self) -> Result<Arc<KeySet>, AuthenticateError> {
        let Some(set) = self.keys.load_full() else {
            return self.fetch(None).await;
        };
        let age = set.fetched_at.elapsed();
        if self.federation.jwks.is_some() || age < FRESH_FOR {
            return Ok(set);
        }
        // One caller pays for the fetch; the others go on with the set they have, while it is usable.
        if age < USABLE_FOR && self.fetch.try_lock().is_err() {
            return Ok(set);
        }
        match self.fetch(Some(&set)).await {
            Err(_) if age < USABLE_FOR => Ok(set),
            result => result,
        }
    }

    /// A newer set than `seen`, or `seen` itself where the last fetch was too short ago.
    async fn refetch(&self, seen: &Arc<KeySet>) -> Result<Arc<KeySet>, AuthenticateError> {
        if self.federation.jwks.is_some() {
            Ok(Arc::clone(seen))
        } else {
            self.fetch(Some(seen)).await
        }
    }

    async fn fetch(&self, seen: Option<&Arc<KeySet>>) -> Result<Arc<KeySet>, AuthenticateError> {
        let mut last = self.fetch.lock().await;
        // Somebody else fetched while this call waited.
        if let Some(current) = self.keys.load_full()
            && seen.is_none_or(|seen| !Arc::ptr_eq(seen, &current))
        {
            return Ok(current);
        }
        if let Some(attempt) = &*last
            && attempt.at.elapsed() < REFETCH_INTERVAL
        {
            return match (&attempt.failure, seen) {
                (Some(failure), _) => Err(self.unavailable(Arc::clone(failure))),
                (None, Some(seen)) => Ok(Arc::clone(seen)),
                // A success always leaves a set, and a set was looked for above.
                (None, None) => Err(AuthenticateError::Broken),
            };
        }
        let result = self.load().await;
        let failure = result.as_ref().err().map(Arc::clone);
        *last = Some(Attempt {
            at: Instant::now(),
            failure,
        });
        drop(last);
        match result {
            Ok(set) => {
                let set = Arc::new(set);
                self.keys.store(Some(Arc::clone(&set)));
                Ok(set)
            }
            Err(error) => {
                tracing::warn!(
                    federation = %self.federation.name,
                    error = esi_core::chain(&error),
                    "the keys of a federation cannot be had"
                );
                Err(self.unavailable(error))
            }
        }
    }

    async fn load(&self) -> Result<KeySet, Arc<DiscoveryError>> {
        let (issuer, document) = discovery::key_set(&self.federation).await.map_err(Arc::new)?;
        let keys =
            jwk::read_set(&document).map_err(|problem| Arc::new(DiscoveryError::KeySet { problem }))?;
        Ok(KeySet {
            issuer,
            keys,
            fetched_at: Instant::now(),
        })
    }

    fn unavailable(&self, source: Arc<DiscoveryError>) -> AuthenticateError {
        let federation = self.federation.name.to_string();
        if self.federation.jwks.is_some() || source.is_of_the_resource() {
            let source = Box::new(source);
            AuthenticateError::FederationUnusable { federation, source }
        } else {
            let source = Box::new(source);
            AuthenticateError::KeysUnavailable { federation, source }
        }
    }
}

impl KeySet {
    /// What the key that the token names says; `None` if there is no such key.
    fn verdict(&self, jwt: &Jwt) -> Option<Result<bool, AuthenticateError>> {
        let mut named = self
            .keys
            .iter()
            .filter(|key| key.id == jwt.key_id && key.algorithm == jwt.algorithm)
            .peekable();
        named.peek()?;
        let verified = named.any(|key| verifies(key, &jwt.signed, jwt.signature.expose()));
        Some(if verified {
            Ok(true)
        } else {
            Err(AuthenticateError::Signature)
        })
    }
}
