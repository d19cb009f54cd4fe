//! The port that every kind of generator implements.
//!
//! One life: `issue` (perhaps with [`Recorder::record`] before each irreversible call), any number of `renew`,
//! then `revoke` until it succeeds. `revoke` also cleans up after an `issue` that was cut off at any point, from
//! the intent alone, and touches nothing that does not carry the intent's name.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use esi_core::{Credential, Ends, Handle, Intent, Workload};
use thiserror::Error;

use crate::error::GeneratorError;

/// What an `issue` is given.
#[derive(Debug)]
pub struct IssueContext<'a> {
    /// Names everything that is made at the backend.
    pub intent: &'a Intent,
    /// Who receives it, for the backend's own audit (session names, comments); not for decisions.
    pub workload: &'a Workload,
    /// Time to live to give; the backend may give less.
    pub ttl: Duration,
    /// After this long the caller has given up: the backend must not mint any more. Enforced *at the backend*
    /// where it can be.
    pub deadline: Duration,
    /// Makes progress durable.
    pub recorder: &'a dyn Recorder,
}

/// Makes a handle durable before the next, irreversible call.
#[async_trait]
pub trait Recorder: Send + Sync + fmt::Debug {
    /// Returns once the handle is durable; replaces the handle recorded before.
    ///
    /// # Errors
    /// If it is not durable, or the intent was superseded meanwhile: then nothing more may be minted.
    async fn record(&self, handle: Handle) -> Result<(), RecordError>;
}

/// Why a handle is not recorded.
#[derive(Debug, Error)]
#[error("the ledger did not take the handle")]
pub struct RecordError(#[source] pub Box<dyn std::error::Error + Send + Sync>);

/// What an `issue` made.
#[derive(Debug)]
pub struct Issued {
    /// The values.
    pub credential: Credential,
    /// How to find it again.
    pub handle: Handle,
    /// Time until it expires, as the backend granted it.
    pub expires_in: Duration,
    /// Until when renewing can prolong it, from now; `None`: without end.
    pub max_expires_in: Option<Duration>,
    /// Whether it can be renewed at all.
    pub renewable: bool,
    /// How it ends when it is revoked.
    pub ends: Ends,
}

/// What a `renew` achieved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Renewed {
    /// Time until it expires now, as the backend granted it.
    pub expires_in: Duration,
    /// Until when renewing can prolong it, from now; `None`: without end.
    pub max_expires_in: Option<Duration>,
}

/// Is told how far a revocation has come.
#[async_trait]
pub trait Progress: Send + Sync + fmt::Debug {
    /// Nobody can use the credential any more; remains are still to be cleaned up.
    async fn access_ended(&self);
}

/// What a kind of generator is like, whatever its manifest says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Nature {
    /// How long after a mint's deadline the backend may still show what was minted (a list that lags).
    pub visibility_lag: Duration,
    /// Whether an intent without a handle may have left something behind that `revoke` can find by its name.
    pub sweeps_by_name: bool,
}

/// One configured generator.
#[async_trait]
pub trait Generator: Send + Sync + fmt::Debug {
    /// What its kind is like.
    fn nature(&self) -> Nature;

    /// Mints a credential.
    ///
    /// # Errors
    /// See [`GeneratorError`]. After any error, something may have been minted: the caller revokes the intent.
    async fn issue(&self, cx: &IssueContext<'_>) -> Result<Issued, GeneratorError>;

    /// Prolongs a credential to `ttl` from now, or less.
    ///
    /// # Errors
    /// [`GeneratorError::NotRenewable`] where only a new credential helps; others may pass.
    async fn renew(&self, intent: &Intent, handle: &Handle, ttl: Duration)
    -> Result<Renewed, GeneratorError>;

    /// Ends a credential and removes its remains. Idempotent: what is gone already counts as done.
    ///
    /// # Errors
    /// See [`GeneratorError`]; the caller repeats it with back-off.
    async fn revoke(
        &self,
        intent: &Intent,
        handle: Option<&Handle>,
        progress: &dyn Progress,
    ) -> Result<(), GeneratorError>;
}
