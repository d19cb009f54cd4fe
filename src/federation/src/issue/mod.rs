//! The only place that orders ledger and generator.
//!
//! ```text
//!  authorise ─▶ find the generator ─▶ one at a time per binding ─▶ held from a retry? ──▶ answer
//!                                                                   │ no
//!     begin (durable intent) ─▶ generate (record, record …) ─▶ activate ─▶ hold ──▶ answer
//!               │                       │ failed                  │ superseded
//!               └── crash: swept        └─▶ abandon, swept        └─▶ revoked or swept
//! ```
//!
//! Invariants: a backend is asked only after its intent is durable; once begun, an issue runs to its end even if its
//! caller hangs up, so that the caller's retry finds the value; a value is given out only while its lease is live.

mod error;
mod held;
mod lock;
mod slots;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use esi_core::names::{BindingName, GeneratorRef, ObjectName};
use esi_core::{BindingKey, Checkpoint, Credential, Handle, Instance, LeaseId, RequestId, Workload};
use esi_generators::{Generator, IssueContext, RecordError, Recorder};
use esi_ledger::port::{Activation, Begun, Lease, NewLease, Owner, State, Store};
use esi_ledger::worker::Waker;
use esi_resources::catalog::Snapshot;
use tokio_util::task::TaskTracker;

pub use error::IssueError;
pub use held::Held;

use crate::authenticate::Principal;
use crate::authorise::{Grant, authorise};
use crate::backends::Backends;
use crate::issue::lock::{BindingLocks, Place};
use crate::issue::slots::Slots;

/// One attempt of one workload to get a credential.
#[derive(Debug, Clone)]
pub struct IssueRequest {
    /// Who asks.
    pub principal: Principal,
    /// For which running thing.
    pub workload: Workload,
    /// From what.
    pub generator: GeneratorRef,
    /// For which binding.
    pub binding: BindingName,
    /// Which attempt.
    pub request_id: RequestId,
    /// Time to live to ask for.
    pub ttl: Option<Duration>,
    /// How long the acknowledged generation before it is to live on.
    pub overlap: Option<Duration>,
}

/// A credential and its lease.
#[derive(Debug)]
pub struct Issued {
    /// The values.
    pub credential: Credential,
    /// The record.
    pub lease: Lease,
}

/// What an operator can set about issuing.
#[derive(Debug, Clone, Copy)]
pub struct IssueLimits {
    /// Time to live where none is asked for.
    pub default_ttl: Duration,
    /// Longest time to live, whatever an authorization grants.
    pub max_ttl: Duration,
    /// How long a backend may take to mint.
    pub mint_within: Duration,
    /// How long the acknowledged generation lives on once a newer one is acknowledged, where nothing is asked for.
    pub default_overlap: Duration,
    /// The longest that can be asked for.
    pub max_overlap: Duration,
    /// Issues under way at once, half of them at one generator at most; more are told to come back.
    pub concurrency: usize,
}

impl Default for IssueLimits {
    fn default() -> Self {
        Self {
            default_ttl: Duration::from_secs(3600),
            max_ttl: Duration::from_secs(24 * 3600),
            mint_within: Duration::from_secs(20),
            default_overlap: Duration::from_secs(60),
            // Workloads that follow their files need seconds; longer, and two credentials are the rule.
            max_overlap: Duration::from_secs(3600),
            // Each holds a few kilobytes and perhaps a backend connection.
            concurrency: 512,
        }
    }
}

/// Issues credentials.
#[derive(Debug)]
pub struct Issuer {
    store: Arc<dyn Store>,
    backends: Arc<Backends>,
    waker: Waker,
    checkpoint: Arc<dyn Checkpoint>,
    limits: IssueLimits,
    held: Held,
    locks: BindingLocks,
    slots: Slots,
    running: TaskTracker,
}

/// What one revision of the catalog lets a request have.
struct Permit {
    revision: u64,
    grant: Grant,
    generator: Arc<dyn Generator>,
}

/// What the issuer works with.
#[derive(Debug, Clone)]
pub struct Parts {
    /// The ledger.
    pub store: Arc<dyn Store>,
    /// The generators.
    pub backends: Arc<Backends>,
    /// Wakes the worker that ends leases.
    pub waker: Waker,
    /// The named steps.
    pub checkpoint: Arc<dyn Checkpoint>,
}

impl Issuer {
    /// An issuer; what it begins is tracked in `running`, for the drain.
    #[must_use]
    pub fn new(parts: Parts, limits: IssueLimits, running: TaskTracker) -> Self {
        let Parts {
            store,
            backends,
            waker,
            checkpoint,
        } = parts;
        let slots = Slots::new(limits.concurrency);
        let (held, locks) = (Held::default(), BindingLocks::default());
        Self {
            store,
            backends,
            waker,
            checkpoint,
            limits,
            held,
            locks,
            slots,
            running,
        }
    }

    /// The values held for retries.
    #[must_use]
    pub fn held(&self) -> &Held {
        &self.held
    }

    /// Issues a credential, or answers with the one that the same request got before.
    ///
    /// # Errors
    /// See [`IssueError`].
    pub async fn issue(self: &Arc<Self>, request: IssueRequest) -> Result<Issued, IssueError> {
        let catalog = self.backends.catalog();
        let permit = self.permit(&catalog, &request)?;
        let slot = self.slots.take(&request.generator).ok_or(IssueError::Busy)?;
        // From here on a revocation finds it.
        let place = self.locks.enter(
            &request.workload.key(&request.binding),
            request.workload.node.as_ref(),
        );
        let this = Arc::clone(self);
        // A task of its own: a caller that hangs up must not cut a mint in two.
        let task = self.running.spawn(async move {
            let issued = this.issue_once(&request, permit, place).await;
            drop(slot);
            issued
        });
        task.await.unwrap_or_else(|_panicked| Err(IssueError::Panicked))
    }

    /// Refuses those that wait for their turn on this binding. To be called before its leases are ended in the
    /// ledger: then an issue that goes on after this is begun already, and is ended there. A node's daemon
    /// (`by_node`) speaks only for workloads of which their own token says that they are on its node.
    pub fn revoke_waiting(&self, key: &BindingKey, by_node: Option<&ObjectName>) {
        self.locks.revoke(key, by_node);
    }

    /// What the catalog allows, and from what.
    fn permit(&self, catalog: &Snapshot, request: &IssueRequest) -> Result<Permit, IssueError> {
        let grant = authorise(catalog.authorizations(), &request.principal, &request.generator)?;
        let generator = self.backends.find(catalog, &request.generator)?;
        Ok(Permit {
            revision: catalog.revision(),
            grant,
            generator,
        })
    }

    async fn issue_once(
        &self,
        request: &IssueRequest,
        permit: Permit,
        mut place: Place,
    ) -> Result<Issued, IssueError> {
        let key = request.workload.key(&request.binding);
        place.turn().await;
        if place.is_revoked() {
            return Err(IssueError::Revoked);
        }
        // Its turn may have come late, and what was removed meanwhile is removed.
        let catalog = self.backends.catalog();
        let permit = if catalog.revision() == permit.revision {
            permit
        } else {
            self.permit(&catalog, request)?
        };
        let Permit { grant, generator, .. } = permit;
        let generator = generator.as_ref();
        if let Some(held) = self.still_held(&key, request).await? {
            return Ok(held);
        }
        let begun = self.begin(&key, request, generator).await?;
        self.checkpoint.reach("issue/begun");
        // One that came since is seen here, or it finds the intent in the ledger.
        let minted = if place.is_revoked() {
            Err(IssueError::Revoked)
        } else {
            self.mint(&begun, request, grant, generator).await
        };
        let issued = match minted {
            Ok(issued) => issued,
            Err(error) => {
                self.store.abandon(begun.intent.lease).await?;
                self.waker.wake();
                return Err(error);
            }
        };
        self.held.put(&key, &request.request_id, &issued);
        self.checkpoint.reach("issue/held");
        Ok(issued)
    }

    /// The value of an earlier call of the same attempt, if its lease is still the live one.
    async fn still_held(
        &self,
        key: &BindingKey,
        request: &IssueRequest,
    ) -> Result<Option<Issued>, IssueError> {
        let Some(held) = self.held.get(key, &request.request_id, &request.generator) else {
            return Ok(None);
        };
        let newest = self.store.newest(key).await?;
        let live = newest.filter(|lease| lease.intent == held.lease.intent && lease.state == State::Active);
        Ok(live.map(|lease| Issued {
            credential: held.credential,
            lease,
        }))
    }

    async fn begin(
        &self,
        key: &BindingKey,
        request: &IssueRequest,
        generator: &dyn Generator,
    ) -> Result<Begun, IssueError> {
        let overlap = request.overlap.unwrap_or(self.limits.default_overlap);
        let begun = self
            .store
            .begin(NewLease {
                key: key.clone(),
                owner: owner(&request.workload),
                generator: request.generator.clone(),
                request_id: request.request_id.clone(),
                mint_within: self.limits.mint_within,
                visibility_lag: generator.nature().visibility_lag,
                overlap: overlap.min(self.limits.max_overlap),
            })
            .await?;
        // What this generation supersedes is due now.
        self.waker.wake();
        Ok(begun)
    }

    async fn mint(
        &self,
        begun: &Begun,
        request: &IssueRequest,
        grant: Grant,
        generator: &dyn Generator,
    ) -> Result<Issued, IssueError> {
        let longest = grant
            .max_ttl
            .map_or(self.limits.max_ttl, |granted| granted.min(self.limits.max_ttl));
        let ttl = request.ttl.unwrap_or(self.limits.default_ttl).min(longest);
        let lease = begun.intent.lease;
        let recorder = LedgerRecorder {
            store: Arc::clone(&self.store),
            lease,
        };
        let context = IssueContext {
            intent: &begun.intent,
            workload: &request.workload,
            ttl,
            deadline: self.limits.mint_within,
            recorder: &recorder,
        };
        // The generator bounds its own calls; this bounds what it might have forgotten.
        let minted = tokio::time::timeout(self.limits.mint_within, generator.issue(&context)).await;
        let minted = minted.map_err(|_elapsed| IssueError::TooSlow {
            after: self.limits.mint_within,
        })??;
        self.checkpoint.reach("issue/minted");
        let max_expires_in = [minted.max_expires_in, grant.max_ttl].into_iter().flatten().min();
        let activation = Activation {
            handle: minted.handle,
            expires_in: minted.expires_in,
            max_expires_in,
            renewable: minted.renewable,
            ends: minted.ends,
            acknowledged: false,
        };
        let lease = self.store.activate(lease, activation).await?;
        self.checkpoint.reach("issue/activated");
        tracing::info!(
            event = "issued",
            lease = %lease.intent.lease,
            binding = %lease.key,
            generation = lease.generation.number(),
            generator = %lease.generator,
            workload = %request.workload,
            ttl_s = minted.expires_in.as_secs(),
        );
        Ok(Issued {
            credential: minted.credential,
            lease,
        })
    }
}

fn owner(workload: &Workload) -> Owner {
    let name = match &workload.instance {
        Instance::Pod { name, .. } => name.to_string(),
        Instance::Client { id } => id.to_string(),
    };
    Owner {
        namespace: workload.namespace.clone(),
        service_account: workload.service_account.clone(),
        name,
        node: workload.node.clone(),
    }
}

#[derive(Debug)]
struct LedgerRecorder {
    store: Arc<dyn Store>,
    lease: LeaseId,
}

#[async_trait]
impl Recorder for LedgerRecorder {
    async fn record(&self, handle: Handle) -> Result<(), RecordError> {
        self.store
            .record(self.lease, handle)
            .await
            .map_err(|error| RecordError(Box::new(error)))
    }
}

#[cfg(test)]
mod tests;
