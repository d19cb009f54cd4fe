//! The dozen calls of Vault that a generator makes, each bounded in time and size, none of them logged.
//!
//! Requests are vaultrs's, for what it has, and rustify's with it; ours for the rest ([`endpoints`]). They go over
//! a transport of our own ([`transport`]), so that no body is read without a bound and no token passes through a
//! type that prints it.

mod answer;
mod clients;
mod endpoints;
mod failure;
mod silence;
mod token;
mod transport;

use std::collections::HashMap;
use std::fmt;
use std::time::Duration;

use http::HeaderMap;
use rustify::endpoint::Endpoint;
use tokio::time::{Instant, timeout_at};
use tracing::instrument::WithSubscriber as _;
use vaultrs::api::EndpointMiddleware;
use vaultrs::api::auth::approle::requests::LoginWithApproleRequest;
use vaultrs::api::auth::kubernetes::requests::LoginWithKubernetesRequest;
use vaultrs::api::auth::oidc::requests::JWTLoginRequest;
use vaultrs::api::token::requests::{
    CreateRoleTokenRequest, RenewTokenAccessorRequest, RevokeTokenAccessorRequest,
};

pub(super) use answer::{Answer, Grant};
pub(crate) use clients::Clients;
pub(super) use clients::Trust;
pub(super) use endpoints::{AnyPath, Verb};
use endpoints::{RenewLease, RenewSelf, RevokeLease, RevokeSelf};
pub(super) use failure::Failure;
use silence::silence;
pub(super) use token::Token;
use transport::{Transport, carried};

/// Longest time one call may take, where the engine behind Vault need not do much.
const CALL_LIMIT: Duration = Duration::from_secs(10);
/// Longest time a call may take that waits for the system behind an engine (`sync`).
const SYNC_LIMIT: Duration = Duration::from_secs(30);
/// Longest time for tidying up after a failure; what is left then is `revoke`'s.
const CLEANUP_LIMIT: Duration = Duration::from_secs(3);

/// Until when a series of calls must be done.
#[derive(Debug, Clone, Copy)]
pub(super) struct Deadline(Instant);

impl Deadline {
    /// So long from now.
    pub(super) fn after(span: Duration) -> Self {
        Self(Instant::now() + span)
    }

    /// For what is tidied up after a failure, while somebody waits for the error.
    pub(super) fn cleanup() -> Self {
        Self::after(CLEANUP_LIMIT)
    }

    /// For a series that nobody waits for: each call has its own limit, and a series is a handful of calls.
    pub(super) fn generous() -> Self {
        Self::after(SYNC_LIMIT * 3)
    }
}

/// One Vault, as one manifest names it.
pub(super) struct VaultApi {
    pub(super) http: reqwest::Client,
    /// Scheme, host, port and perhaps a path before `/v1`; without a slash at its end.
    pub(super) server: String,
    /// The namespace of the credential's path and its leases.
    pub(super) namespace: Option<String>,
    /// The namespace of the logins and their tokens.
    pub(super) auth_namespace: Option<String>,
    /// The manifest's own headers.
    pub(super) headers: HeaderMap,
}

impl fmt::Debug for VaultApi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VaultApi")
            .field("server", &self.server)
            .finish_non_exhaustive()
    }
}

/// Where a call goes and with which right.
struct Call<'a> {
    token: Option<&'a Token>,
    namespace: Option<&'a String>,
    limit: Duration,
    deadline: Deadline,
    /// What is sent and must not come back in an error's words.
    secrets: &'a [&'a str],
}

impl VaultApi {
    /// Which Vault and which of its namespaces: what a handle says of where its credential was made.
    pub(super) fn place(&self) -> String {
        match &self.namespace {
            Some(namespace) => format!("{} {namespace}", self.server),
            None => self.server.clone(),
        }
    }

    /// Logs in at the approle method.
    pub(super) async fn login_approle(
        &self,
        mount: &str,
        role_id: &str,
        secret_id: &str,
        deadline: Deadline,
    ) -> Result<Grant, Failure> {
        let request = LoginWithApproleRequest {
            mount: mount.to_owned(),
            role_id: role_id.to_owned(),
            secret_id: secret_id.to_owned(),
        };
        self.login(request, &[role_id, secret_id], deadline).await
    }

    /// Logs in at the kubernetes method.
    pub(super) async fn login_kubernetes(
        &self,
        mount: &str,
        role: &str,
        jwt: &str,
        deadline: Deadline,
    ) -> Result<Grant, Failure> {
        let request = LoginWithKubernetesRequest {
            mount: mount.to_owned(),
            role: role.to_owned(),
            jwt: jwt.to_owned(),
        };
        self.login(request, &[jwt], deadline).await
    }

    /// Logs in at the jwt method.
    pub(super) async fn login_jwt(
        &self,
        mount: &str,
        role: Option<&str>,
        jwt: &str,
        deadline: Deadline,
    ) -> Result<Grant, Failure> {
        let request = JWTLoginRequest {
            mount: mount.to_owned(),
            jwt: jwt.to_owned(),
            role: role.map(str::to_owned),
        };
        self.login(request, &[jwt], deadline).await
    }

    async fn login<E: Endpoint>(
        &self,
        request: E,
        secrets: &[&str],
        deadline: Deadline,
    ) -> Result<Grant, Failure> {
        let call = Call {
            token: None,
            secrets,
            ..self.at_auth(None, deadline)
        };
        self.call(call, request).await?.grant()
    }

    /// Makes a token through a token role.
    pub(super) async fn create_token(
        &self,
        token: &Token,
        role: &str,
        ttl: Duration,
        name: &str,
        deadline: Deadline,
    ) -> Result<Grant, Failure> {
        let request = CreateRoleTokenRequest {
            role_name: role.to_owned(),
            display_name: Some(name.to_owned()),
            meta: Some(HashMap::from([("esi_intent".to_owned(), name.to_owned())])),
            renewable: Some(true),
            ttl: Some(format!("{}s", whole_seconds(ttl))),
            ..CreateRoleTokenRequest::default()
        };
        self.call(self.at_auth(Some(token), deadline), request)
            .await?
            .grant()
    }

    /// Prolongs the token `token` itself.
    pub(super) async fn renew_self(
        &self,
        token: &Token,
        ttl: Duration,
        deadline: Deadline,
    ) -> Result<Grant, Failure> {
        let request = RenewSelf {
            increment: whole_seconds(ttl),
        };
        self.call(self.at_auth(Some(token), deadline), request)
            .await?
            .grant()
    }

    /// Ends the token `token` itself.
    pub(super) async fn revoke_self(&self, token: &Token, deadline: Deadline) -> Result<(), Failure> {
        self.call(self.at_auth(Some(token), deadline), RevokeSelf {})
            .await
            .map(drop)
    }

    /// Prolongs the token that `accessor` names.
    pub(super) async fn renew_accessor(
        &self,
        token: &Token,
        accessor: &str,
        ttl: Duration,
        deadline: Deadline,
    ) -> Result<Grant, Failure> {
        let request = RenewTokenAccessorRequest {
            accessor: accessor.to_owned(),
            increment: Some(format!("{}s", whole_seconds(ttl))),
        };
        self.call(self.at_auth(Some(token), deadline), request)
            .await?
            .grant()
    }

    /// Ends the token that `accessor` names; one that is gone already counts.
    pub(super) async fn revoke_accessor(
        &self,
        token: &Token,
        accessor: &str,
        deadline: Deadline,
    ) -> Result<(), Failure> {
        // OpenBao says so with a warning, Vault with an error.
        const GONE: &[&str] = &["invalid accessor", "no token found"];
        let request = RevokeTokenAccessorRequest {
            accessor: accessor.to_owned(),
        };
        match self.call(self.at_auth(Some(token), deadline), request).await {
            Err(failure) if failure.says(GONE) => Ok(()),
            other => other.map(drop),
        }
    }

    /// Prolongs a lease and returns what was granted.
    pub(super) async fn renew_lease(
        &self,
        token: &Token,
        lease_id: &str,
        ttl: Duration,
        deadline: Deadline,
    ) -> Result<Option<Duration>, Failure> {
        let request = RenewLease {
            lease_id: lease_id.to_owned(),
            increment: whole_seconds(ttl),
        };
        let call = Call {
            // Some engines prolong the credential itself (`ALTER ROLE … VALID UNTIL`).
            limit: SYNC_LIMIT,
            ..self.at_path(token, deadline)
        };
        let answer = self.call(call, request).await?;
        Ok(answer.envelope()?.ttl())
    }

    /// Ends a lease and returns once it has ended; one that is gone already counts.
    pub(super) async fn revoke_lease(
        &self,
        token: &Token,
        lease_id: &str,
        deadline: Deadline,
    ) -> Result<(), Failure> {
        const GONE: &[&str] = &["lease not found", "invalid lease"];
        let request = RevokeLease {
            lease_id: lease_id.to_owned(),
            sync: true,
        };
        let call = Call {
            limit: SYNC_LIMIT,
            ..self.at_path(token, deadline)
        };
        match self.call(call, request).await {
            Err(failure) if failure.says(GONE) => Ok(()),
            other => other.map(drop),
        }
    }

    /// The manifest's own call. A 404 without words ("nothing there") is an answer, and empty.
    pub(super) async fn any(
        &self,
        token: &Token,
        request: &AnyPath,
        deadline: Deadline,
    ) -> Result<Answer, Failure> {
        let call = Call {
            limit: SYNC_LIMIT,
            ..self.at_path(token, deadline)
        };
        match self.call(call, request).await {
            Err(Failure::Status { status: 404, words }) if words.is_empty() => {
                Ok(Answer::new(404, Vec::new()))
            }
            other => other,
        }
    }

    fn at_auth<'a>(&'a self, token: Option<&'a Token>, deadline: Deadline) -> Call<'a> {
        Call {
            token,
            namespace: self.auth_namespace.as_ref(),
            limit: CALL_LIMIT,
            deadline,
            secrets: &[],
        }
    }

    fn at_path<'a>(&'a self, token: &'a Token, deadline: Deadline) -> Call<'a> {
        Call {
            namespace: self.namespace.as_ref(),
            ..self.at_auth(Some(token), deadline)
        }
    }

    /// The one place that talks to Vault. Everything in it runs under a subscriber that hears nothing: rustify and vaultrs log URLs,
    /// errors and warnings by themselves, and what may be said is in the [`Failure`] that comes back.
    async fn call<E: Endpoint>(&self, call: Call<'_>, endpoint: E) -> Result<Answer, Failure> {
        let middleware = EndpointMiddleware {
            // The transport adds the token: this type's `Debug` would print it.
            token: String::new(),
            version: "v1".to_owned(),
            wrap: None,
            namespace: call.namespace.cloned(),
        };
        let transport = Transport {
            http: &self.http,
            server: &self.server,
            headers: &self.headers,
            token: call.token,
        };
        let started = Instant::now();
        let until = call.deadline.0.min(started + call.limit);
        let endpoint = endpoint.with_middleware(&middleware);
        let exchange = endpoint.exec(&transport).with_subscriber(silence());
        let response = timeout_at(until, exchange)
            .await
            .map_err(|_elapsed| Failure::Timeout(until - started))?
            .map_err(carried)?
            .response;
        let status = response.status();
        let body = response.into_body();
        if status.is_success() {
            return Ok(Answer::new(status.as_u16(), body));
        }
        let own = call.token.map(Token::expose_str);
        let secrets: Vec<&str> = call.secrets.iter().copied().chain(own).collect();
        Err(Failure::status(status.as_u16(), &body, &secrets))
    }
}

/// Vault counts in seconds; a part of one counts as one, so that nothing ends before it was asked to.
fn whole_seconds(span: Duration) -> u64 {
    let part = u64::from(span.subsec_nanos() > 0);
    span.as_secs().saturating_add(part).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_of_a_second_is_asked_for_as_one() {
        assert_eq!(whole_seconds(Duration::ZERO), 1);
        assert_eq!(whole_seconds(Duration::from_millis(1500)), 2);
        assert_eq!(whole_seconds(Duration::from_secs(60)), 60);
    }
}
