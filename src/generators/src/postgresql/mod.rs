//! `PostgreSQL`: one database user per lease.
//!
//! ```text
//!  issue   BEGIN … roles exist? ─▶ CREATE ROLE, GRANT ─▶ deadline? COMMIT
//!  renew   VALID UNTIL moves
//!  revoke  NOLOGIN ─▶ sessions ended ─▶ (access ended) ─▶ each database: REASSIGN, DROP OWNED ─▶ DROP ROLE
//! ```
//!
//! Rooms: `config` (manifest, checked) · `name` (identifiers) · `sql` (every statement, as a pure function) ·
//! `verifier` (what the server keeps of a password) ·
//! `connect` (connections, kept and bounded) · `failure` (what an error means) · `issue`, `renew`, `revoke`.
//!
//! Invariants: a role's name is the intent's name, perhaps with `_` and a readable part behind it, and nothing else is
//! ever altered or dropped; the intent, durable before any call, is therefore all that `revoke` needs to find a role, and
//! no handle is recorded before the mint; the password is sent to the server as a SCRAM-SHA-256 verifier only; a mint that was given
//! up cannot land later, because the server itself checks the deadline in the statement before `COMMIT`; every
//! statement has a time limit on both sides. Expiry is reckoned by the database's own clock, which enforces it.
//!
//! # The lowest admin privileges
//! A login role that may connect to every database of the server in which users may own or be granted something, and
//!
//! | | PostgreSQL 15 and older | 16 and newer |
//! | --- | --- | --- |
//! | to create and drop users | `CREATEROLE` | `CREATEROLE` |
//! | to grant `user.roles` | nothing more | `GRANT <role> TO <admin> WITH ADMIN OPTION` for each |
//! | to end sessions, to hand over what users own | `INHERIT` (the default) | nothing more |
//! | `user.reassignTo`, or the database's owner, where users own something | to be a member of it | to be a member of it |
//!
//! `pg_signal_backend` is not needed: before it ends a user's sessions, the admin grants itself the user, which gives
//! it the right to, and to REASSIGN OWNED and DROP OWNED. On PostgreSQL 16 and newer only the admin that created a
//! user (or one with ADMIN OPTION on it) can revoke it: let the live leases end before changing the admin. What a
//! third party granted directly to a minted user (not to one of `user.roles`) only that party can take back: the
//! user's access ends, but the role stays until it does.
//!
//! # What users leave behind
//! Views, functions, triggers and index expressions run with the rights of who owns them. Where a user may create any
//! of these, whoever gets them when it ends lends its rights to what a hostile user wrote: a view on a table of the
//! database's owner, made by a user that could not read it, can be read once it is the owner's. So give `roles` that
//! may create objects only together with a `reassignTo` that has no rights but those objects, or with
//! `destructiveCleanup`. A superuser is never the heir unless `reassignTo` names it: where one owns the database and
//! neither is written, nothing is minted; where one became the owner since, the user's access still ends, and what it
//! owns stays until a person has judged it.
//!
//! `databases` of the manifest is not needed to find what a user owns: the server's own list of dependencies is used,
//! which names every database.

mod config;
mod connect;
mod failure;
mod issue;
mod name;
mod renew;
mod revoke;
mod sql;
mod verifier;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use esi_core::{Checkpoint, Handle, Intent};
use esi_resources::generator::PostgreSqlSpec;

use crate::build::BuildContext;
use crate::error::GeneratorError;
use crate::port::{Generator, IssueContext, Issued, Nature, Progress, Renewed};

use config::User;
use connect::{Place, Pool};

pub(crate) use connect::Pools;

/// How long after a mint's deadline its role may still appear: a commit that passed the deadline's check may yet wait
/// for the disk or a synchronous standby.
const VISIBILITY_LAG: Duration = Duration::from_secs(10);

/// The field of a handle that says at which server its user was made.
const SERVER: &str = "server";

/// One PostgreSQL server and how users are made there.
pub(crate) struct PostgreSql {
    place: Place,
    user: User,
    pools: Arc<Pools>,
    /// The connections to the manifest's own database.
    pool: Arc<Pool>,
    checkpoint: Arc<dyn Checkpoint>,
}

impl PostgreSql {
    /// Checks the manifest; asks no server.
    pub(crate) fn build(
        spec: &PostgreSqlSpec,
        cx: &BuildContext<'_>,
        pools: &Arc<Pools>,
    ) -> Result<Self, GeneratorError> {
        let place = config::place(spec, cx)?;
        let pool = pools.get(&place);
        Ok(Self {
            user: User::new(&spec.user)?,
            pools: Arc::clone(pools),
            pool,
            place,
            checkpoint: Arc::clone(cx.checkpoint),
        })
    }
}

impl fmt::Debug for PostgreSql {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgreSql").finish_non_exhaustive()
    }
}

#[async_trait]
impl Generator for PostgreSql {
    fn nature(&self) -> Nature {
        Nature {
            visibility_lag: VISIBILITY_LAG,
            sweeps_by_name: true,
        }
    }

    async fn issue(&self, cx: &IssueContext<'_>) -> Result<Issued, GeneratorError> {
        issue::issue(self, cx).await
    }

    async fn renew(
        &self,
        intent: &Intent,
        _handle: &Handle,
        ttl: Duration,
    ) -> Result<Renewed, GeneratorError> {
        renew::renew(self, intent, ttl).await
    }

    async fn revoke(
        &self,
        intent: &Intent,
        handle: Option<&Handle>,
        progress: &dyn Progress,
    ) -> Result<(), GeneratorError> {
        let made_at = handle.and_then(|handle| handle.text(SERVER));
        revoke::revoke(self, intent, made_at, progress).await
    }
}
