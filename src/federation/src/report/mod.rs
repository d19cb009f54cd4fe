//! What a workload that goes on says of its bindings, or its node's daemon for it, and what is told in answer.
//!
//! ```text
//!  bindings ──▶ their leases ──▶ those of whom the caller may speak ──▶ those still authorised ──▶ alive for 95 s
//!                                      │ not there, not its own               │ no
//!                                      └─▶ unknown                            └─▶ run out
//! ```
//!
//! A report keeps a lease alive only while the subject *that has it* is still authorised for the lease's generator: a
//! withdrawn authorization ends the renewals, and the lease with its time to live. Nothing is ended because a report
//! leaves it out: a daemon that lost its memory ends no credential that is in use.

mod verdict;

use std::sync::Arc;
use std::time::Duration;

use esi_core::{BindingKey, Clock};
use esi_ledger::StoreError;
use esi_ledger::port::{InUse, Lease, State, Store};

use crate::agent::NodeAgent;
use crate::authenticate::Principal;
use crate::authorise::authorise;
use crate::backends::Backends;

pub use verdict::{Action, Life, Verdict};

/// How often a workload reports.
pub const REPORT_EVERY: Duration = Duration::from_secs(30);
/// How long one report keeps a lease alive: two reports may be lost.
const ALIVE_FOR: Duration = Duration::from_secs(95);
/// Leases that one transaction of the ledger keeps alive: issues do not wait for more.
const BATCH: usize = 64;

/// A binding that is reported, and whose it is said to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reported {
    /// The generation that is shown.
    pub shown: InUse,
    /// The node's daemon that speaks for it; `None`: the binding is the caller's own.
    pub agent: Option<Arc<NodeAgent>>,
}

impl Reported {
    /// Who has the lease, if the caller may speak for it.
    fn holder(&self, caller: &Principal, lease: &Lease) -> Option<Principal> {
        match &self.agent {
            None => Some(caller.clone()),
            Some(agent) if agent.speaks_for(lease) => Some(agent.owner_of(lease)),
            Some(_) => None,
        }
    }
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
        caller: &Principal,
        reported: Vec<Reported>,
    ) -> Result<Vec<Verdict>, StoreError> {
        let catalog = self.backends.catalog();
        let named = reported.iter().map(|reported| reported.shown.clone()).collect();
        // Not the newest: that one may be a mint that failed, while this one is in use.
        let leases = self.store.generations(named).await?;
        let mut standing = Vec::with_capacity(reported.len());
        for (reported, lease) in reported.iter().zip(leases) {
            let known = lease.and_then(|lease| Some((reported.holder(caller, &lease)?, lease)));
            standing.push(match known {
                None if reported.agent.is_some() => Standing::Unknown,
                None => Standing::Over,
                Some((_, lease)) if lease.state != State::Active => Standing::Over,
                Some((holder, lease)) => {
                    let authorised = authorise(catalog.authorizations(), &holder, &lease.generator).is_ok();
                    Standing::Live {
                        lease: Box::new(lease),
                        authorised,
                    }
                }
            });
        }
        self.keep_alive(&mut standing).await?;
        // By the clock of the machine a lease may end at another time than by the ledger's, which ends it.
        let now = self.store.now();
        let verdicts = standing.iter().map(|standing| match standing {
            Standing::Unknown => Verdict::UNKNOWN,
            Standing::Over => Verdict::OVER,
            Standing::Live { lease, authorised } => Verdict::on(lease, *authorised, now),
        });
        Ok(verdicts.collect())
    }

    /// Says to the ledger which leases are in use. What ended meanwhile is over.
    async fn keep_alive(&self, standing: &mut [Standing]) -> Result<(), StoreError> {
        let mut kept: Vec<_> = standing
            .iter_mut()
            .filter(|standing| matches!(standing, Standing::Live { authorised: true, .. }))
            .collect();
        for batch in kept.chunks_mut(BATCH) {
            let uses = batch.iter().filter_map(|standing| standing.shown()).collect();
            let until = self.clock.now() + ALIVE_FOR;
            let leases = self.store.in_use(uses, until).await?;
            for (standing, lease) in batch.iter_mut().zip(leases) {
                **standing = lease.map_or(Standing::Over, |lease| Standing::Live {
                    lease: Box::new(lease),
                    authorised: true,
                });
            }
        }
        Ok(())
    }
}

/// What a reported binding is found to be.
#[derive(Debug)]
enum Standing {
    /// Not there, or not the caller's to speak for: it does not learn which.
    Unknown,
    /// Ended, or never there.
    Over,
    /// Active.
    Live { lease: Box<Lease>, authorised: bool },
}

impl Standing {
    fn shown(&self) -> Option<InUse> {
        match self {
            Self::Live { lease, .. } => Some(InUse {
                key: BindingKey::clone(&lease.key),
                generation: lease.generation,
            }),
            Self::Unknown | Self::Over => None,
        }
    }
}

#[cfg(test)]
mod tests;
