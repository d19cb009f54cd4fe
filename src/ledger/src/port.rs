//! The store's port: what the rest of the server may ask of the ledger.
//!
//! Every call is one durable transaction; when it returns `Ok`, a crash cannot undo it.
//!
//! The store has a time of its own. It is the clock's, as long as that runs forwards. If the clock is set back, the
//! store's time goes on from where it was, at the pace of the machine's monotonic clock, until the clock has caught
//! up: nothing un-expires, and nothing waits for the clock. It is durable, so a restart does not set it back
//! either. Whoever compares with an instant from the store takes the store's time, [`Store::now`] or
//! [`DueBatch::now`].

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use esi_core::names::{GeneratorRef, Namespace, ObjectName};
use esi_core::{BindingKey, Ends, Generation, Handle, InstallationId, Intent, LeaseId, RequestId, Timestamp};
use serde::{Deserialize, Serialize};

use crate::error::StoreError;

/// What [`Store::begin`] records before a backend is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewLease {
    /// The binding it is for.
    pub key: BindingKey,
    /// Who receives it, for people.
    pub owner: Owner,
    /// What mints it.
    pub generator: GeneratorRef,
    /// The attempt it belongs to.
    pub request_id: RequestId,
    /// The mint must have landed after this long, or never.
    pub mint_within: Duration,
    /// How long after `mint_within` the backend may still show what was minted.
    pub visibility_lag: Duration,
    /// How long the acknowledged generation that this one supersedes stays live once this one is acknowledged.
    pub overlap: Duration,
}

/// Who receives a lease, as shown to people. Identity is in the key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owner {
    /// Its namespace.
    pub namespace: Namespace,
    /// Its service account.
    pub service_account: ObjectName,
    /// The pod's name, or the client instance.
    pub name: String,
    /// The node, where known.
    pub node: Option<ObjectName>,
}

/// What [`Store::begin`] answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Begun {
    /// The promise; its lease id is the lease's.
    pub intent: Intent,
    /// Which generation of the binding it becomes.
    pub generation: Generation,
}

/// What [`Store::activate`] records once a backend has minted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Activation {
    /// How to find it again.
    pub handle: Handle,
    /// Time until it expires.
    pub expires_in: Duration,
    /// Until when renewing can prolong it; `None`: without end.
    pub max_expires_in: Option<Duration>,
    /// Whether it can be renewed.
    pub renewable: bool,
    /// How it ends when revoked.
    pub ends: Ends,
    /// The receiver has seen it already (a caller that cannot acknowledge).
    pub acknowledged: bool,
}

/// Where a lease is in its life.
///
/// ```text
///  Intent ──activate──▶ Active ──end, expiry──▶ Revoking ──▶ AccessEnded ──▶ Revoked
///    │                                             │  ▲
///    └─superseded, deadline─▶ Sweeping ─▶ Abandoned └──┴──▶ Dead (needs a person)
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Recorded; the backend may or may not have minted.
    Intent,
    /// In use.
    Active,
    /// To be revoked, or being revoked.
    Revoking,
    /// Nobody can use it any more; remains are still to be cleaned.
    AccessEnded,
    /// Gone. Final.
    Revoked,
    /// Given up before it became active; what a late mint leaves is removed until no more can land.
    Sweeping,
    /// Swept. Final.
    Abandoned,
    /// Cannot be revoked without a person. Not final: a retry can be asked for.
    Dead,
}

/// Why a lease ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EndReason {
    /// Its workload asked for it.
    Requested,
    /// Its time to live was reached.
    Expired,
    /// A newer generation took its place.
    Superseded,
    /// The mint failed or was cut off.
    MintFailed,
    /// Its workload ended.
    WorkloadEnded,
}

/// One lease as recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// Its intent; the lease id is in it.
    pub intent: Intent,
    /// The binding it is for.
    pub key: BindingKey,
    /// Who receives it.
    pub owner: Owner,
    /// What minted it.
    pub generator: GeneratorRef,
    /// Which generation of the binding.
    pub generation: Generation,
    /// Where it is in its life.
    pub state: State,
    /// Whether its receiver has seen it.
    pub acknowledged: bool,
    /// Whether a person asked for a generation in its place.
    pub rotation_asked: bool,
    /// How to find it at the backend, as far as known.
    pub handle: Option<Handle>,
    /// How it ends when revoked.
    pub ends: Ends,
    /// Whether it can be renewed.
    pub renewable: bool,
    /// When it was begun.
    pub begun_at: Timestamp,
    /// When it was activated.
    pub issued_at: Option<Timestamp>,
    /// When it expires, unless it is renewed.
    pub expires_at: Option<Timestamp>,
    /// When it expires at the latest.
    pub max_expires_at: Option<Timestamp>,
    /// Until when its workload is known to live; renewed only until then.
    pub alive_until: Option<Timestamp>,
    /// Why it ended.
    pub end_reason: Option<EndReason>,
    /// Failed attempts at what is due.
    pub attempts: u32,
    /// The kind of the last failure.
    pub last_error: Option<String>,
}

/// Which leases [`Store::end`] ends, or [`Store::ask_rotation`] marks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Selector {
    /// One lease.
    Lease(LeaseId),
    /// Every generation of one binding.
    Binding(BindingKey),
    /// Every binding of one running thing: cluster and instance of their keys.
    Instance {
        /// The federation.
        cluster: ObjectName,
        /// As in [`BindingKey::instance`].
        instance: String,
    },
    /// What a node's volume showed: one binding, only as far as it is the node's.
    Volume {
        /// The binding.
        key: BindingKey,
        /// What [`Owner::node`] must be. A lease whose node is unknown is no node's.
        node: ObjectName,
        /// The last generation that is meant; `None`: every one.
        up_to: Option<Generation>,
    },
}

/// For logs.
impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lease(lease) => write!(f, "lease {lease}"),
            Self::Binding(key) => write!(f, "{key}"),
            Self::Instance { cluster, instance } => write!(f, "{cluster}/{instance}"),
            Self::Volume { key, node, up_to } => {
                write!(f, "{key} on {node}")?;
                up_to.map_or(Ok(()), |up_to| write!(f, ", up to generation {up_to}"))
            }
        }
    }
}

/// The right to work on one lease: whoever claimed it later fences this one out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Claim {
    /// Which lease.
    pub lease: LeaseId,
    /// The fencing number.
    pub fence: i64,
}

/// What is to be done to a claimed lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Work {
    /// Prolong it.
    Renew,
    /// End it and clean up.
    Revoke,
    /// Remove what a mint that was given up may have left, and may still leave.
    Sweep,
}

/// One lease that is due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Due {
    /// The right to work on it.
    pub claim: Claim,
    /// What to do.
    pub work: Work,
    /// Since when it is due.
    pub since: Timestamp,
    /// What the backend granted when it was issued; zero if nothing was.
    pub granted: Duration,
    /// When the lease ended, if it has: the age of a revocation or sweep that was tried before.
    pub ended_at: Option<Timestamp>,
    /// The lease.
    pub lease: Lease,
}

/// What [`Store::claim_due`] answers.
#[derive(Debug, Default)]
pub struct DueBatch {
    /// What is claimed, oldest due first.
    pub due: Vec<Due>,
    /// When the next one is due, as far as known now (not after [`now`](Self::now): ask again at once); `None`:
    /// nothing is waiting.
    pub next: Option<Timestamp>,
    /// The store's time of this answer.
    pub now: Timestamp,
}

/// How much work its caller can take on, so that a backend that hangs takes no more than its share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Room {
    /// Most leases to claim in all.
    pub total: usize,
    /// Most leases of one generator at a time, those of `busy` included.
    pub per_generator: usize,
    /// How many leases of each generator are being worked on already.
    pub busy: BTreeMap<GeneratorRef, usize>,
}

/// How many leases there are, by state.
pub type Counts = BTreeMap<State, u64>;

/// One generation of a binding, such as a workload reports as in use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InUse {
    /// The binding.
    pub key: BindingKey,
    /// The generation.
    pub generation: Generation,
}

/// The durable store of leases.
#[async_trait]
pub trait Store: Send + Sync + fmt::Debug {
    /// Whose ledger this is.
    fn installation(&self) -> &InstallationId;

    /// The store's time: what the times of a [`Lease`] are to be compared with.
    fn now(&self) -> Timestamp;

    /// Records the intent to mint the next generation of a binding. In the same transaction every unacknowledged
    /// generation of the binding is ended (intents are swept, active ones revoked). The last acknowledged one lives
    /// on until this one is acknowledged and its overlap is over; if this one ends before, it simply lives on.
    async fn begin(&self, new: NewLease) -> Result<Begun, StoreError>;

    /// Records the handle so far of an intent.
    ///
    /// # Errors
    /// [`StoreError::Superseded`] if it is no intent any more, or its deadline has passed: then nothing may be minted
    /// for it. The handle is recorded all the same if the intent was given up, so that its sweep finds what it names.
    async fn record(&self, lease: LeaseId, handle: Handle) -> Result<(), StoreError>;

    /// The mint has landed: the intent becomes active.
    ///
    /// # Errors
    /// [`StoreError::Superseded`] if it is no intent any more, or its deadline has passed. The handle is recorded
    /// all the same and its revocation is due at once, so that what landed late is removed. The same activation
    /// repeated is no error.
    async fn activate(&self, lease: LeaseId, activation: Activation) -> Result<Lease, StoreError>;

    /// The mint failed: the intent is swept at once.
    async fn abandon(&self, lease: LeaseId) -> Result<(), StoreError>;

    /// The receiver shows this generation. The acknowledged one before it ends after the overlap. Idempotent.
    ///
    /// # Errors
    /// [`StoreError::NotLive`] if this generation is not active.
    async fn acknowledge(&self, key: &BindingKey, generation: Generation) -> Result<(), StoreError>;

    /// The workload is known to live until `until` (by the clock that the store was given), and uses these. Counts as
    /// acknowledgement. Answers with each one's lease if it is active and of that generation, in the same order.
    async fn in_use(&self, uses: Vec<InUse>, until: Timestamp) -> Result<Vec<Option<Lease>>, StoreError>;

    /// Ends the live leases (intents included) that the selector names; answers how many. Idempotent.
    async fn end(&self, selector: Selector, reason: EndReason) -> Result<usize, StoreError>;

    /// A newer generation is wanted in place of each active lease that the selector names: notes it, and answers on
    /// how many. It ends nothing, and a generation that takes its place is not marked. Idempotent.
    async fn ask_rotation(&self, selector: Selector) -> Result<usize, StoreError>;

    /// [`claim_due_within`](Self::claim_due_within), without regard to generators.
    async fn claim_due(&self, limit: usize, claim_for: Duration) -> Result<DueBatch, StoreError> {
        let room = Room {
            total: limit,
            per_generator: limit,
            busy: BTreeMap::new(),
        };
        self.claim_due_within(room, claim_for).await
    }

    /// Applies what time alone decides (expiry, deadlines, overlaps), then claims leases that are due, as many as
    /// there is room for, each for `claim_for`: until then nobody else gets them, unless this claim is settled
    /// first. Leases of a generator without room stay as they are, and [`DueBatch::next`] does not count them.
    async fn claim_due_within(&self, room: Room, claim_for: Duration) -> Result<DueBatch, StoreError>;

    /// A claimed lease was renewed. A maximum that it had from its issue is kept: a backend can lower it only.
    ///
    /// # Errors
    /// [`StoreError::ClaimLost`] if it was ended meanwhile: it stays ended.
    async fn renewed(
        &self,
        claim: Claim,
        expires_in: Duration,
        max_expires_in: Option<Duration>,
    ) -> Result<(), StoreError>;

    /// A claimed lease cannot be renewed any further: it runs to its expiry.
    async fn not_renewable(&self, claim: Claim) -> Result<(), StoreError>;

    /// Nobody can use the claimed lease any more.
    async fn access_ended(&self, claim: Claim) -> Result<(), StoreError>;

    /// The claimed revocation or sweep succeeded. A revoked lease that ends only at its expiry, and a swept intent
    /// whose mint may still land, stay due until then.
    async fn done(&self, claim: Claim) -> Result<(), StoreError>;

    /// The claimed work failed and is due again at `at`, by the store's time.
    async fn retry_later(&self, claim: Claim, at: Timestamp, error: &'static str) -> Result<(), StoreError>;

    /// The claimed work cannot succeed without a person.
    async fn dead(&self, claim: Claim, error: &'static str) -> Result<(), StoreError>;

    /// Takes up a dead lease again, at once; answers whether it was dead.
    async fn retry(&self, lease: LeaseId) -> Result<bool, StoreError>;

    /// The leases of these generations, whatever their state, in the same order; a few hundred at most.
    async fn generations(&self, named: Vec<InUse>) -> Result<Vec<Option<Lease>>, StoreError>;

    /// The newest generation of a binding, whatever its state.
    async fn newest(&self, key: &BindingKey) -> Result<Option<Lease>, StoreError>;

    /// All leases that are not in a final state, in order of their ids, at most `limit`, after `after`.
    async fn unfinished(&self, after: Option<LeaseId>, limit: usize) -> Result<Vec<Lease>, StoreError>;

    /// How many leases there are.
    async fn counts(&self) -> Result<Counts, StoreError>;
}
