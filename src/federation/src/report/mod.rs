//! What a workload that goes on says of its bindings, and what it is told.
//!
//! A report keeps a lease alive only while its subject is still authorised for the lease's generator: a withdrawn
//! authorization ends the renewals, and the lease with its time to live.

use std::sync::Arc;
use std::time::Duration;

use esi_core::names::BindingName;
use esi_core::{Clock, Generation, Timestamp, Workload};
use esi_ledger::StoreError;
use esi_ledger::port::{InUse, Lease, State, Store};

use crate::authenticate::Principal;
use crate::authorise::authorise;
use crate::backends::Backends;

/// How often a workload reports.
pub const REPORT_EVERY: Duration = Duration::from_secs(30);
/// How long one report keeps a lease alive: two reports may be lost.
const ALIVE_FOR: Duration = Duration::from_secs(95);

/// What to do with one binding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Go on; this much time is left.
    Keep(Duration),
    /// Get a new generation.
    Rotate,
}

/// Takes reports.
#[derive(Debug)]
pub struct Reports {
    store: Arc<dyn Store>,
    backends: Arc<Backends>,
    clock: Arc<dyn Clock>,
}

impl Reports {
    /// Takes reports of the leases of `store`.
    #[must_use]
    pub fn new(store: Arc<dyn Store>, backends: Arc<Backends>, clock: Arc<dyn Clock>) -> Self {
        Self {
            store,
            backends,
            clock,
        }
    }

    /// One verdict for each binding, in the same order.
    ///
    /// # Errors
    /// If the ledger fails.
    pub async fn report(
        &self,
        principal: &Principal,
        workload: &Workload,
        bindings: Vec<(BindingName, Generation)>,
    ) -> Result<Vec<Verdict>, StoreError> {
        let catalog = self.backends.catalog();
        let mut verdicts = Vec::with_capacity(bindings.len());
        for (binding, generation) in bindings {
            let key = workload.key(&binding);
            // Not the newest: that one may be a mint that failed, while this one is in use.
            let reported = self.store.generation(&key, generation).await?;
            let current = reported.filter(|lease| lease.state == State::Active);
            let authorised = current.as_ref().is_some_and(|lease| {
                authorise(catalog.authorizations(), principal, &lease.generator).is_ok()
            });
            let lease = if authorised {
                let uses = vec![InUse { key, generation }];
                let alive_until = self.clock.now() + ALIVE_FOR;
                self.store.in_use(uses, alive_until).await?.pop().flatten()
            } else {
                current
            };
            // By the clock of the machine a lease may end at another time than by the ledger's, which ends it.
            verdicts.push(verdict(lease.as_ref(), authorised, self.store.now()));
        }
        Ok(verdicts)
    }
}

/// A lease that the server goes on renewing is kept; one that nears an end it cannot move is rotated once two thirds
/// of its life are over, so that a backend that is down for a while does not cost the workload its credential.
fn verdict(lease: Option<&Lease>, authorised: bool, now: Timestamp) -> Verdict {
    let Some(Lease {
        issued_at: Some(issued),
        expires_at: Some(expires),
        renewable,
        max_expires_at,
        ..
    }) = lease
    else {
        return Verdict::Rotate;
    };
    let left = expires.since(now);
    let ends_at_expiry = !authorised || !renewable || max_expires_at.is_some_and(|max| max <= *expires);
    let life = expires.since(*issued);
    if ends_at_expiry && left <= life / 3 {
        Verdict::Rotate
    } else {
        Verdict::Keep(left)
    }
}

#[cfg(test)]
mod tests;
