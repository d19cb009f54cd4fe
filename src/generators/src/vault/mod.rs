//! `VaultDynamicSecret`: any path of HashiCorp Vault or OpenBao, as a lease that ends when it is told to.
//!
//! ```text
//!  issue   login ──▶ accessor recorded ──▶ credentials call ──▶ handle { accessor, lease_id }
//!  renew   login ──▶ renew-accessor, sys/leases/renew ──▶ logout
//!  revoke  login ──▶ sys/leases/revoke sync=true ──▶ access ended ──▶ revoke-accessor ──▶ logout
//! ```
//!
//! Vault ends every lease together with the token that asked for it. So each lease hangs on a token of its own:
//! a login (AppRole, Kubernetes, JWT), or with a shared token an orphan child through the token role that the
//! annotation `esi.external-secrets.io/vault-token-role` names. The server's own logins carry no lease: their end,
//! a restart of ours or of Vault's revokes nothing.
//!
//! # What is guaranteed
//! * Revoked means ended: `sys/leases/revoke` with `sync=true` answers once the engine has withdrawn the credential,
//!   and fails while it cannot; then the revocation stays pending. Ending a token merely *queues* the end of its
//!   leases, so it comes second.
//! * Cut off between login and record: an unused login lives until its own TTL. Keep the `token_ttl` of the auth
//!   role short (a minute): each login is prolonged to what its lease needs, up to `token_max_ttl`.
//! * Cut off between the credentials call and its answer: the lease id is lost, the accessor is known. `revoke` ends
//!   the accessor, and Vault ends what hangs on it by itself: at once if the system behind the engine is up; otherwise
//!   Vault repeats it a few times and then lists it as irrevocable. `access_ended` is not reported then. Vault can
//!   list leases only by path and with `sudo`, and does not say whose they are, so nothing better is known.
//! * With a shared token and no token role, a call that is cut off there leaves a lease that ends by its TTL, and every
//!   lease ends with the shared token. Use a token role.
//! * An answer without a lease (a key-value secret, a certificate of `pki` without `generate_lease`) only expires.
//!   An answer that is itself a token ends by its accessor.
//! * Nothing of what is sent or answered is logged, whatever filter the process has: see [`api`].
//!
//! # Policy that the server's token or login needs
//! ```hcl
//! path "database/creds/shop"        { capabilities = ["read"] }    # `update` where `method` writes
//! path "sys/leases/renew"           { capabilities = ["update"] }
//! path "sys/leases/revoke"          { capabilities = ["update"] }
//! path "auth/token/renew-accessor"  { capabilities = ["update"] }
//! path "auth/token/revoke-accessor" { capabilities = ["update"] }
//! path "auth/token/create/esi"      { capabilities = ["update"] }  # only with a token role, here `esi`
//! ```
//! The policy `default` adds `auth/token/renew-self` and `auth/token/revoke-self`. A token role needs `orphan=true`
//! and in `allowed_policies` one that grants the credential's path.

mod api;
mod config;
mod credential;
mod end;
mod handle;
mod issue;
mod login;
mod terms;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use esi_core::{Checkpoint, Handle, Intent};
use esi_resources::generator::VaultResultType;

use crate::error::GeneratorError;
use crate::port::{Generator, IssueContext, Issued, Nature, Progress, Renewed};
use api::{AnyPath, VaultApi};
use handle::Remains;
use login::Login;

pub(crate) use api::Clients;

/// One manifest, ready to be used.
#[derive(Debug)]
pub(crate) struct VaultDynamicSecret {
    api: VaultApi,
    login: Login,
    request: AnyPath,
    section: VaultResultType,
    allow_empty: bool,
    checkpoint: Arc<dyn Checkpoint>,
}

#[async_trait]
impl Generator for VaultDynamicSecret {
    /// Vault names leases and tokens itself: an intent alone finds nothing, the handle finds all.
    fn nature(&self) -> Nature {
        Nature {
            visibility_lag: Duration::ZERO,
            sweeps_by_name: false,
        }
    }

    async fn issue(&self, cx: &IssueContext<'_>) -> Result<Issued, GeneratorError> {
        self.mint(cx).await
    }

    async fn renew(
        &self,
        _intent: &Intent,
        handle: &Handle,
        ttl: Duration,
    ) -> Result<Renewed, GeneratorError> {
        self.prolong(&Remains::from(handle), ttl).await
    }

    async fn revoke(
        &self,
        _intent: &Intent,
        handle: Option<&Handle>,
        progress: &dyn Progress,
    ) -> Result<(), GeneratorError> {
        match handle {
            Some(handle) => self.end(&Remains::from(handle), progress).await,
            None => Ok(()),
        }
    }
}
