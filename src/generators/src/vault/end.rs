//! Renewing and revoking: under a short login of the server's own, which is ended in any case.

use std::time::Duration;

use thiserror::Error;

use super::VaultDynamicSecret;
use super::api::{Deadline, Failure, Token};
use super::handle::Remains;
use super::terms::{Granted, Terms};
use crate::error::GeneratorError;
use crate::port::{Progress, Renewed};

const RENEW: &str = "renew the credential";
const REVOKE: &str = "revoke the credential";
/// A login that is to end at once need not live longer.
const PROOF: Duration = Duration::from_secs(60);

/// The manifest leads elsewhere now.
#[derive(Debug, Error)]
#[error(
    "the credential was made at {made_at} and is not known at {here}, where the generator points now: it may live on \
     there. Point the generator there until its leases have ended, or revoke the lease by hand"
)]
struct Elsewhere {
    made_at: String,
    here: String,
}

impl VaultDynamicSecret {
    pub(super) async fn prolong(&self, remains: &Remains, ttl: Duration) -> Result<Renewed, GeneratorError> {
        if !remains.can_be_withdrawn() {
            return Err(GeneratorError::NotRenewable);
        }
        let deadline = Deadline::generous();
        let session = self.login.open(&self.api, deadline).await?;
        let renewed = self.renew_all(&session.token, remains, ttl, deadline).await;
        session.close(&self.api).await;
        let terms = Terms::withdrawable(ttl, &renewed.map_err(no_longer)?);
        if terms.expires_in.is_zero() {
            return Err(GeneratorError::NotRenewable);
        }
        Ok(Renewed {
            expires_in: terms.expires_in,
            max_expires_in: terms.max_expires_in,
        })
    }

    /// The tokens first: a lease cannot outlive the one that it hangs on.
    async fn renew_all(
        &self,
        token: &Token,
        remains: &Remains,
        ttl: Duration,
        deadline: Deadline,
    ) -> Result<Vec<Granted>, Failure> {
        let mut grants = Vec::new();
        for accessor in [&remains.login_accessor, &remains.credential_accessor]
            .into_iter()
            .flatten()
        {
            let grant = self.api.renew_accessor(token, accessor, ttl, deadline).await?;
            grants.push(Granted {
                ttl: grant.ttl,
                renewable: grant.renewable,
                asked: true,
            });
        }
        if let Some(lease_id) = &remains.lease_id {
            grants.push(Granted {
                ttl: self.api.renew_lease(token, lease_id, ttl, deadline).await?,
                renewable: true,
                asked: true,
            });
        }
        Ok(grants)
    }

    pub(super) async fn end(&self, remains: &Remains, progress: &dyn Progress) -> Result<(), GeneratorError> {
        if remains.is_empty() {
            return Ok(());
        }
        let deadline = Deadline::generous();
        let session = self.login.open(&self.api, deadline).await?;
        let ended = match self.check_place(&session.token, remains, deadline).await {
            Ok(()) => {
                let ended = self.end_all(&session.token, remains, progress, deadline).await;
                ended.map_err(|failure| failure.passing(REVOKE))
            }
            Err(elsewhere) => Err(elsewhere),
        };
        session.close(&self.api).await;
        ended
    }

    /// Vault answers that what it does not know is gone. Where the manifest names another server or namespace than the
    /// one that minted, only a token that is known there shows that it is the same Vault under another name.
    async fn check_place(
        &self,
        token: &Token,
        remains: &Remains,
        deadline: Deadline,
    ) -> Result<(), GeneratorError> {
        let here = self.api.place();
        let Some(made_at) = remains.made_at.as_ref().filter(|made_at| **made_at != here) else {
            return Ok(());
        };
        for accessor in [&remains.login_accessor, &remains.credential_accessor]
            .into_iter()
            .flatten()
        {
            if self
                .api
                .renew_accessor(token, accessor, PROOF, deadline)
                .await
                .is_ok()
            {
                return Ok(());
            }
        }
        Err(GeneratorError::Misconfigured {
            field: "spec.provider.server",
            problem: Box::new(Elsewhere {
                made_at: made_at.clone(),
                here,
            }),
        })
    }

    /// The credential first, since only that answer says that it has ended; then what it hung on.
    async fn end_all(
        &self,
        token: &Token,
        remains: &Remains,
        progress: &dyn Progress,
        deadline: Deadline,
    ) -> Result<(), Failure> {
        if let Some(lease_id) = &remains.lease_id {
            self.api.revoke_lease(token, lease_id, deadline).await?;
        }
        if let Some(accessor) = &remains.credential_accessor {
            self.api.revoke_accessor(token, accessor, deadline).await?;
        }
        if remains.can_be_withdrawn() {
            progress.access_ended().await;
            self.checkpoint.reach("vault/lease-revoked");
        }
        if let Some(accessor) = &remains.login_accessor {
            self.api.revoke_accessor(token, accessor, deadline).await?;
            self.checkpoint.reach("vault/accessor-revoked");
        }
        Ok(())
    }
}

/// What Vault says when no renewal will ever work again.
fn no_longer(failure: Failure) -> GeneratorError {
    const ENDED: &[&str] = &[
        "lease not found",
        "invalid lease",
        "lease expired",
        "invalid accessor",
        "not renewable",
        "max ttl",
        "max_ttl",
        "maximum ttl",
    ];
    if failure.says(ENDED) {
        GeneratorError::NotRenewable
    } else {
        failure.passing(RENEW)
    }
}
