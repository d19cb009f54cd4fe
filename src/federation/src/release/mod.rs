//! What a node's daemon gives back: the credentials of volumes that it took down.
//!
//! ```text
//!  volume ─┬─ without a generation ──▶ issues that wait are refused ─┐
//!          └─ with the last one it showed ───────────────────────────┴──▶ ledger: the node's own, up to that one
//! ```
//!
//! Invariants: a release ends leases of the daemon's own node only; a late one ends no generation newer than its
//! volume showed, also not one that is being issued; repeated, it ends nothing more.

use std::sync::Arc;

use esi_core::{BindingKey, Generation};
use esi_ledger::StoreError;
use esi_ledger::port::{EndReason, Selector, Store};
use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};

use crate::agent::NodeAgent;
use crate::issue::Issuer;

/// Releases of one call that wait for the ledger at once: they share its transactions, and leave room in its queue.
const TOGETHER: usize = 32;

/// A volume that is no longer there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Released {
    /// Its binding.
    pub key: BindingKey,
    /// The last generation that it showed; `None`: it is not known, and the pod is to have none at all.
    pub generation: Option<Generation>,
}

/// Gives back what one node's daemon may.
#[derive(Debug, Clone)]
pub struct Releases {
    store: Arc<dyn Store>,
    issuer: Arc<Issuer>,
}

impl Releases {
    /// Ends leases of `store`, and issues that wait for `issuer`.
    #[must_use]
    pub fn new(store: Arc<dyn Store>, issuer: Arc<Issuer>) -> Self {
        Self { store, issuer }
    }

    /// How many leases it ended. What is unknown, or another node's, is passed over.
    ///
    /// # Errors
    /// If the ledger fails: some may have ended, and the call is to be repeated.
    pub async fn release(&self, agent: &NodeAgent, volumes: Vec<Released>) -> Result<usize, StoreError> {
        stream::iter(volumes)
            .map(|volume| self.release_one(agent, volume))
            .buffer_unordered(TOGETHER)
            .try_fold(0, async |ended, more| Ok(ended + more))
            .await
    }

    async fn release_one(&self, agent: &NodeAgent, volume: Released) -> Result<usize, StoreError> {
        let Released { key, generation } = volume;
        if generation.is_none() {
            self.issuer.revoke_waiting(&key, Some(agent.node()));
        }
        let selector = Selector::Volume {
            key,
            node: agent.node().clone(),
            up_to: generation,
        };
        self.store.end(selector, EndReason::WorkloadEnded).await
    }
}
