//! Who asks: a bearer token to a [`Principal`], or a refusal that says why.
//!
//! ```text
//!  token text ──jwt::parse──▶ header, claims (unverified)
//!      iss ──▶ the federations registered for that issuer      (the caller never chooses a trust root)
//!      kid ──▶ that federation's key                           (refetched once if unknown, rate limited)
//!  signature, iss, aud, exp, nbf ──claims::check──▶ Principal
//! ```
//!
//! Invariants: nothing of a token is believed before its signature is verified with a key of a *registered*
//! federation; keys of one federation never verify a token for another; two federations may share an issuer
//! text, and then the key decides which of them it is. Where a cluster shows another's issuer and keys as its own, the
//! one whose `issuer` is written in its resource has the token: write it wherever clusters do not trust each other.

mod claims;
mod discovery;
mod error;
mod jwt;
mod keys;
mod signature;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use esi_core::names::{ClientInstance, Namespace, ObjectName, Uid};
use esi_core::{Classify, Clock, Code, Instance, Retry, SecretBytes, Workload};
use esi_resources::catalog::Catalog;
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;

use thiserror::Error;

pub use error::AuthenticateError;

use keys::TrustedIssuer;

/// Who a verified token speaks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    /// The `KubernetesFederation` whose key signed it.
    pub federation: ObjectName,
    /// The issuer.
    pub issuer: String,
    /// The subject: `system:serviceaccount:<namespace>:<name>`.
    pub subject: String,
    /// The service account's namespace.
    pub namespace: Namespace,
    /// The service account's name.
    pub service_account: ObjectName,
    /// The pod that the token is bound to.
    pub pod: Option<(ObjectName, Uid)>,
    /// The node that the pod runs on.
    pub node: Option<ObjectName>,
}

impl Principal {
    /// The running thing that it speaks for: its pod, or, where its token is bound to no pod, the instance that
    /// the client names.
    ///
    /// # Errors
    /// If both or neither are there.
    pub fn workload(&self, client: Option<ClientInstance>) -> Result<Workload, InstanceError> {
        let instance = match (&self.pod, client) {
            (Some((name, uid)), None) => Instance::Pod {
                name: name.clone(),
                uid: uid.clone(),
            },
            (None, Some(id)) => Instance::Client { id },
            (Some(_), Some(_)) => return Err(InstanceError::Both),
            (None, None) => return Err(InstanceError::Neither),
        };
        Ok(Workload {
            cluster: self.federation.clone(),
            namespace: self.namespace.clone(),
            service_account: self.service_account.clone(),
            instance,
            node: self.node.clone(),
        })
    }
}

/// Why it is not clear which running thing asks.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum InstanceError {
    /// A pod's token and a client instance.
    #[error("client_instance: leave it empty, the token is bound to a pod")]
    Both,
    /// A token without a pod, and no client instance.
    #[error(
        "the token is bound to no pod, so a lease could not end with one: use the pod's projected token, \
         or outside a pod give client_instance"
    )]
    Neither,
}

impl Classify for InstanceError {
    fn code(&self) -> Code {
        Code::InvalidArgument
    }

    fn retry(&self) -> Retry {
        Retry::Never
    }

    fn kind(&self) -> &'static str {
        "instance_unclear"
    }
}

/// Verifies tokens against the federations of the catalog.
#[derive(Debug)]
pub struct Authenticator {
    catalog: Catalog,
    clock: Arc<dyn Clock>,
    /// What a token must be meant for, where a federation names no audience of its own.
    audience: String,
    /// The trust anchors in force, by federation; rebuilt when the catalog's revision changes.
    trusted: Mutex<Trusted>,
}

#[derive(Debug, Default)]
struct Trusted {
    revision: Option<u64>,
    issuers: BTreeMap<ObjectName, Arc<TrustedIssuer>>,
}

impl Authenticator {
    /// Accepts tokens for `audience`.
    #[must_use]
    pub fn new(catalog: Catalog, clock: Arc<dyn Clock>, audience: String) -> Self {
        Self {
            catalog,
            clock,
            audience,
            trusted: Mutex::default(),
        }
    }

    /// Verifies a token.
    ///
    /// # Errors
    /// See [`AuthenticateError`].
    pub async fn authenticate(&self, token: &SecretBytes) -> Result<Principal, AuthenticateError> {
        let jwt = jwt::parse(token)?;
        // A cluster says itself what its issuer and keys are, and may say those of another: whose issuer the operator
        // wrote down comes first. Those that were never reached come last: a dead one delays nobody else's tokens.
        let (written, said): (Vec<_>, Vec<_>) = self
            .issuers()?
            .into_iter()
            .partition(|issuer| issuer.issuer_is_written());
        let (known, unknown): (Vec<_>, Vec<_>) =
            said.into_iter().partition(|issuer| issuer.issuer_is_known());
        let mut refusal = None;
        for group in [written, known, unknown] {
            match first_to_vouch(group, &jwt).await {
                Ok(issuer) => {
                    let audiences = issuer.audiences(&self.audience);
                    return claims::check(&jwt.claims, issuer.name(), &audiences, self.clock.now());
                }
                Err(reason) => refusal = refusal.or(reason),
            }
        }
        Err(refusal.unwrap_or_else(|| AuthenticateError::unknown_issuer(&jwt.claims)))
    }

    /// The trust anchors of the current catalog. Those whose resource did not change keep their fetched keys.
    fn issuers(&self) -> Result<Vec<Arc<TrustedIssuer>>, AuthenticateError> {
        let snapshot = self.catalog.current();
        let mut trusted = self
            .trusted
            .lock()
            .map_err(|_poisoned| AuthenticateError::Broken)?;
        if trusted.revision != Some(snapshot.revision()) {
            let mut issuers = BTreeMap::new();
            for federation in snapshot.federations() {
                let kept = trusted
                    .issuers
                    .get(&federation.name)
                    .filter(|known| known.is_for(federation));
                let issuer =
                    kept.map_or_else(|| Arc::new(TrustedIssuer::new(federation.clone())), Arc::clone);
                issuers.insert(federation.name.clone(), issuer);
            }
            *trusted = Trusted {
                revision: Some(snapshot.revision()),
                issuers,
            };
        }
        Ok(trusted.issuers.values().map(Arc::clone).collect())
    }
}

/// The first federation whose key signed the token, all asked at once; or a refusal of one that knows its issuer.
async fn first_to_vouch(
    issuers: Vec<Arc<TrustedIssuer>>,
    jwt: &jwt::Jwt,
) -> Result<Arc<TrustedIssuer>, Option<AuthenticateError>> {
    let mut verdicts: FuturesUnordered<_> = issuers
        .into_iter()
        .map(|issuer| async move { (issuer.verify(jwt).await, issuer) })
        .collect();
    let mut refusal = None;
    while let Some((verdict, issuer)) = verdicts.next().await {
        match verdict {
            Ok(true) => return Ok(issuer),
            Ok(false) => {}
            Err(error) => refusal = Some(error),
        }
    }
    Err(refusal)
}

#[cfg(test)]
mod tests;
