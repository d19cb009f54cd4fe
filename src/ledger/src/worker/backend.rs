//! The port through which the worker reaches generators; the server wires it.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use thiserror::Error;

use crate::port::Lease;

/// What a renewal achieved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Renewal {
    /// Time until it expires now, as the backend granted it.
    pub expires_in: Duration,
    /// Until when renewing can prolong it, from now; `None`: without end.
    pub max_expires_in: Option<Duration>,
}

/// Why an attempt failed.
#[derive(Debug, Error)]
#[error("the backend failed: {kind}")]
pub struct BackendFailure {
    /// A stable name of low cardinality: a metric label, a log field, and what the ledger keeps.
    pub kind: &'static str,
    /// The same attempt will fail again until somebody changes something. A renewal is then given up (the lease
    /// runs to its expiry); a revocation is tried on all the same, see
    /// [`WorkerConfig::give_up_after`](super::WorkerConfig::give_up_after).
    pub permanent: bool,
    /// The backend's words, for the log only.
    #[source]
    pub source: Box<dyn Error + Send + Sync>,
}

/// Is told how far a revocation has come.
#[async_trait]
pub trait Progress: Send + Sync + fmt::Debug {
    /// Nobody can use the credential any more; remains are still to be cleaned up.
    async fn access_ended(&self);
}

/// What the worker needs of whatever minted a lease. A call that takes too long is dropped.
#[async_trait]
pub trait Backend: Send + Sync + fmt::Debug {
    /// Prolongs a lease to `ttl` from now (what was granted when it was issued, or what its maximum leaves of it), or
    /// less.
    ///
    /// # Errors
    /// [`BackendFailure`].
    async fn renew(&self, lease: &Lease, ttl: Duration) -> Result<Renewal, BackendFailure>;

    /// Ends a lease and removes its remains, or what an intent may have left. Idempotent.
    ///
    /// # Errors
    /// [`BackendFailure`].
    async fn revoke(&self, lease: &Lease, progress: &dyn Progress) -> Result<(), BackendFailure>;
}
