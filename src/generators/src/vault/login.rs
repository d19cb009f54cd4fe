//! How the server gets its right at Vault, and the tokens that come of it.
//!
//! ```text
//!  shared token ──────────────────▶ Session (not ours to end)
//!  shared token + token role ─────▶ Session (an orphan child, one per lease)
//!  AppRole, Kubernetes, JWT ──────▶ Session (a login, one per lease and one per renewal or revocation)
//! ```

use std::fmt;
use std::time::Duration;

use esi_core::{Intent, SecretBytes, chain};
use thiserror::Error;

use super::api::{Deadline, Failure, Grant, Token, VaultApi};
use super::terms::Granted;
use crate::error::GeneratorError;

/// The manifest's field that says how to log in.
pub(super) const FIELD: &str = "spec.provider.auth";
/// The annotation that names a token role, as messages show it.
pub(super) const ROLE_FIELD: &str = "metadata.annotations[esi.external-secrets.io/vault-token-role]";

/// How to log in, with what it needs.
pub(super) enum Login {
    /// With a token that exists.
    Token {
        /// The token, shared by all leases.
        token: Token,
        /// The token role through which each lease gets an orphan child of its own.
        role: Option<String>,
    },
    /// With an AppRole.
    AppRole {
        /// The method's mount.
        mount: String,
        /// The role id.
        role_id: SecretBytes,
        /// The secret id.
        secret_id: SecretBytes,
    },
    /// With a service account token, at the kubernetes method.
    Kubernetes {
        /// The method's mount.
        mount: String,
        /// The role.
        role: String,
        /// The token.
        jwt: SecretBytes,
    },
    /// With a JWT.
    Jwt {
        /// The method's mount.
        mount: String,
        /// The role; the method's default where absent.
        role: Option<String>,
        /// The JWT.
        jwt: SecretBytes,
    },
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Token { role: None, .. } => "Token",
            Self::Token { role: Some(_), .. } => "TokenRole",
            Self::AppRole { .. } => "AppRole",
            Self::Kubernetes { .. } => "Kubernetes",
            Self::Jwt { .. } => "Jwt",
        })
    }
}

/// Why a token that Vault gave cannot carry a lease.
#[derive(Debug, Error)]
enum Unfit {
    #[error("it gives batch tokens, which have no accessor: set its `token_type` to `service`")]
    Batch,
    #[error(
        "its tokens may be used {0} times only, and end with their leases after that: set its `token_num_uses` to 0"
    )]
    Counted(u64),
    #[error(
        "the token role gives children of the shared token, and a lease would end with that token: set `orphan=true` on the role"
    )]
    NoOrphan,
}

/// A right at Vault.
#[derive(Debug)]
pub(super) struct Session {
    /// What to make calls with.
    pub(super) token: Token,
    own: Option<Own>,
}

/// A token that is nobody else's.
#[derive(Debug)]
struct Own {
    accessor: String,
    granted: Granted,
}

impl Login {
    /// For the server's own calls: renewing and revoking.
    pub(super) async fn open(&self, api: &VaultApi, deadline: Deadline) -> Result<Session, GeneratorError> {
        let grant = match self {
            Self::Token { token, .. } => {
                return Ok(Session {
                    token: token.duplicate(),
                    own: None,
                });
            }
            Self::AppRole {
                mount,
                role_id,
                secret_id,
            } => {
                api.login_approle(mount, text(role_id), text(secret_id), deadline)
                    .await
            }
            Self::Kubernetes { mount, role, jwt } => {
                api.login_kubernetes(mount, role, text(jwt), deadline).await
            }
            Self::Jwt { mount, role, jwt } => {
                api.login_jwt(mount, role.as_deref(), text(jwt), deadline).await
            }
        }
        .map_err(Failure::during_login)?;
        Session::of(api, grant, FIELD).await
    }

    /// For one new lease: a token that the lease may hang on, since nothing else does.
    pub(super) async fn open_for(
        &self,
        api: &VaultApi,
        intent: &Intent,
        ttl: Duration,
        deadline: Deadline,
    ) -> Result<Session, GeneratorError> {
        let Self::Token {
            token,
            role: Some(role),
        } = self
        else {
            return self.open(api, deadline).await;
        };
        let grant = api
            .create_token(token, role, ttl, &intent.name('-'), deadline)
            .await
            .map_err(|failure| failure.during("make the lease's own token"))?;
        let orphan = grant.orphan;
        let mut session = Session::of(api, grant, ROLE_FIELD).await?;
        if !orphan {
            session.close(api).await;
            return Err(unfit(ROLE_FIELD, Unfit::NoOrphan));
        }
        if let Some(own) = &mut session.own {
            own.granted.asked = true;
        }
        Ok(session)
    }
}

impl Session {
    /// The session of a token that was just given to us; it is ended again if no lease may hang on it.
    async fn of(api: &VaultApi, grant: Grant, field: &'static str) -> Result<Self, GeneratorError> {
        let token = grant
            .token
            .ok_or_else(|| Failure::Malformed("there is no token in the answer").during("log in"))?;
        // A batch token cannot be ended, so there is nothing to clean up.
        let accessor = grant.accessor.ok_or_else(|| unfit(field, Unfit::Batch))?;
        let session = Self {
            token,
            own: Some(Own {
                accessor,
                granted: Granted {
                    ttl: grant.ttl,
                    renewable: grant.renewable,
                    asked: false,
                },
            }),
        };
        if grant.uses > 0 {
            session.close(api).await;
            return Err(unfit(field, Unfit::Counted(grant.uses)));
        }
        Ok(session)
    }

    /// The accessor of the token, where the token is ours alone.
    pub(super) fn accessor(&self) -> Option<String> {
        self.own.as_ref().map(|own| own.accessor.clone())
    }

    /// For how long the token is good, where it is ours alone. Of a shared one nothing is known.
    pub(super) fn granted(&self) -> Option<Granted> {
        self.own.as_ref().map(|own| own.granted)
    }

    /// Makes the token live as long as the lease that will hang on it, or as long as it may. It is never
    /// shortened: renewing to less than what is left would do that.
    pub(super) async fn prolong(&mut self, api: &VaultApi, ttl: Duration, deadline: Deadline) {
        let Some(own) = &mut self.own else { return };
        let long_enough = own.granted.ttl.is_none_or(|left| left >= ttl);
        if long_enough || !own.granted.renewable || own.granted.asked {
            return;
        }
        match api.renew_self(&self.token, ttl, deadline).await {
            Ok(grant) => {
                own.granted = Granted {
                    ttl: grant.ttl,
                    renewable: grant.renewable,
                    asked: true,
                };
            }
            // The lease is then told the time that the token has.
            Err(failure) => tracing::debug!(reason = %failure, "a login could not be prolonged"),
        }
    }

    /// Ends the token, where it is ours alone. If that fails it ends by its own TTL; `false` then.
    pub(super) async fn close(&self, api: &VaultApi) -> bool {
        if self.own.is_none() {
            return true;
        }
        match api.revoke_self(&self.token, Deadline::cleanup()).await {
            Ok(()) => true,
            Err(failure) => {
                tracing::warn!(reason = %chain(&failure), "a login of our own could not be ended; it ends by its TTL");
                false
            }
        }
    }
}

fn unfit(field: &'static str, problem: Unfit) -> GeneratorError {
    GeneratorError::Misconfigured {
        field,
        problem: Box::new(problem),
    }
}

/// Building the generator has seen that it is text.
fn text(secret: &SecretBytes) -> &str {
    secret.expose_str().unwrap_or_default()
}
