//! Minting: login → its accessor recorded → the credentials call → the lease id in the final handle.

use std::time::Duration;

use esi_core::Handle;

use super::VaultDynamicSecret;
use super::api::{Answer, Deadline, Failure};
use super::credential::{self, NoCredential};
use super::handle::Remains;
use super::login::Session;
use super::terms::{Granted, Terms};
use crate::error::GeneratorError;
use crate::port::{IssueContext, Issued};

const ACTION: &str = "issue the credential";

/// What Vault granted with an answer.
#[derive(Debug, Default)]
struct Found {
    lease: Option<(String, Granted)>,
    /// The credential is a token; its accessor, if it has one.
    token: Option<(Option<String>, Granted)>,
    /// How long the answer says that it is good, lease or not.
    ttl: Option<Duration>,
}

impl Found {
    fn in_answer(answer: &Answer) -> Result<Self, Failure> {
        if answer.is_empty() {
            return Ok(Self::default());
        }
        let envelope = answer.envelope()?;
        let ttl = envelope.ttl();
        let lease = envelope.lease_id.as_ref().filter(|id| !id.is_empty()).map(|id| {
            let granted = Granted {
                ttl,
                renewable: envelope.renewable.unwrap_or_default(),
                asked: false,
            };
            (id.clone(), granted)
        });
        let token = envelope.grant()?.map(|grant| {
            let granted = Granted {
                ttl: grant.ttl,
                renewable: grant.renewable,
                asked: false,
            };
            (grant.accessor, granted)
        });
        Ok(Self { lease, token, ttl })
    }

    fn terms(&self, ttl: Duration, remains: &Remains, session: &Session) -> Terms {
        let lease = self.lease.as_ref().map(|(_, granted)| *granted);
        let token = self.token.as_ref().map(|(_, granted)| *granted);
        if remains.can_be_withdrawn() {
            let grants: Vec<Granted> = [lease, token, session.granted()].into_iter().flatten().collect();
            Terms::withdrawable(ttl, &grants)
        } else {
            Terms::expiring(ttl, token.map_or(self.ttl, |token| token.ttl))
        }
    }
}

impl VaultDynamicSecret {
    pub(super) async fn mint(&self, cx: &IssueContext<'_>) -> Result<Issued, GeneratorError> {
        let deadline = Deadline::after(cx.deadline);
        let mut session = self
            .login
            .open_for(&self.api, cx.intent, cx.ttl, deadline)
            .await?;
        self.checkpoint.reach("vault/logged-in");
        let mut remains = Remains {
            login_accessor: session.accessor(),
            made_at: Some(self.api.place()),
            ..Remains::default()
        };
        if !remains.is_empty() {
            self.record(cx, &remains, &session).await?;
            self.checkpoint.reach("vault/accessor-recorded");
        }
        session.prolong(&self.api, cx.ttl, deadline).await;
        let answer = self.ask(&session, deadline).await?;
        self.checkpoint.reach("vault/credentials-received");

        let found = match Found::in_answer(&answer) {
            Ok(found) => found,
            Err(failure) => {
                session.close(&self.api).await;
                return Err(failure.during(ACTION));
            }
        };
        remains.lease_id = found.lease.as_ref().map(|(id, _)| id.clone());
        remains.credential_accessor = found.token.as_ref().and_then(|(accessor, _)| accessor.clone());
        let credential = match credential::read(&answer, self.section, self.allow_empty) {
            Ok(credential) => credential,
            Err(problem) => {
                // It exists and nobody gets it: whoever cleans up must know its name.
                self.record(cx, &remains, &session).await?;
                return Err(no_credential(problem));
            }
        };
        let terms = found.terms(cx.ttl, &remains, &session);
        // Nothing that the answer gave hangs on our login: it has done its work.
        if found.lease.is_none() && found.token.is_none() && session.close(&self.api).await {
            remains.login_accessor = None;
        }
        Ok(Issued {
            credential,
            handle: Handle::from(&remains),
            expires_in: terms.expires_in,
            max_expires_in: terms.max_expires_in,
            renewable: terms.renewable,
            ends: terms.ends,
        })
    }

    async fn ask(&self, session: &Session, deadline: Deadline) -> Result<Answer, GeneratorError> {
        match self.api.any(&session.token, &self.request, deadline).await {
            Ok(answer) => Ok(answer),
            Err(failure) => {
                // Where Vault does not answer, the end of the login is left to `revoke`, which is repeated.
                if failure.answered() {
                    session.close(&self.api).await;
                }
                Err(failure.during(ACTION))
            }
        }
    }

    /// Makes the handle durable, or ends the login: what nobody knows of must not live.
    async fn record(
        &self,
        cx: &IssueContext<'_>,
        remains: &Remains,
        session: &Session,
    ) -> Result<(), GeneratorError> {
        match cx.recorder.record(Handle::from(remains)).await {
            Ok(()) => Ok(()),
            Err(error) => {
                if let Some(lease_id) = &remains.lease_id
                    && let Err(failure) = self
                        .api
                        .revoke_lease(&session.token, lease_id, Deadline::cleanup())
                        .await
                {
                    tracing::warn!(reason = %failure, "a lease that is not recorded could not be revoked; Vault ends it with our login");
                }
                session.close(&self.api).await;
                Err(GeneratorError::NotRecorded(error))
            }
        }
    }
}

fn no_credential(problem: NoCredential) -> GeneratorError {
    GeneratorError::BadAnswer {
        action: ACTION,
        problem: Box::new(problem),
    }
}
