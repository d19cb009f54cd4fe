//! Who may have what: a pure function of the catalog's authorizations, the principal and the generator.
//!
//! A principal may use a generator if an `Authorization` of its federation names its issuer and subject exactly and
//! lists the generator. Where several do, the widest limit holds. Nothing is remembered: removing or editing an
//! `Authorization` takes effect with the next call.

use std::time::Duration;

use esi_core::names::GeneratorRef;
use esi_core::{Classify, Code, Retry};
use esi_resources::authorization::{Authorization, Subject};
use thiserror::Error;

use crate::authenticate::Principal;

/// What an authorization grants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grant {
    /// Longest life of one credential, renewals included; `None`: as long as its workload lives.
    pub max_ttl: Option<Duration>,
}

/// Why a principal may not use a generator.
#[derive(Debug, Error, PartialEq, Eq)]
#[error(
    "`{subject}` of federation `{federation}` may not use {generator}: no Authorization grants it; \
     ask for one whose subject is issuer `{issuer}`, subject `{subject}`, and whose allowedGenerators lists it"
)]
pub struct NotAuthorised {
    federation: Box<str>,
    issuer: Box<str>,
    subject: Box<str>,
    generator: Box<GeneratorRef>,
}

impl Classify for NotAuthorised {
    fn code(&self) -> Code {
        Code::PermissionDenied
    }

    fn retry(&self) -> Retry {
        Retry::Never
    }

    fn kind(&self) -> &'static str {
        "not_authorised"
    }
}

/// Decides.
///
/// # Errors
/// [`NotAuthorised`], whether or not the generator exists: who may not use it does not learn of it.
pub fn authorise(
    authorizations: &[Authorization],
    principal: &Principal,
    generator: &GeneratorRef,
) -> Result<Grant, NotAuthorised> {
    let mut grants = authorizations
        .iter()
        .filter(|authorization| speaks_of(authorization, principal))
        .filter(|authorization| authorization.allowed_generators.contains(generator))
        .map(|authorization| authorization.max_ttl);
    let Some(first) = grants.next() else {
        return Err(NotAuthorised {
            federation: principal.federation.as_str().into(),
            issuer: principal.issuer.as_str().into(),
            subject: principal.subject.as_str().into(),
            generator: Box::new(generator.clone()),
        });
    };
    // No bound is wider than any bound.
    let max_ttl = grants.fold(first, |widest, next| widest.zip(next).map(|(a, b)| a.max(b)));
    Ok(Grant { max_ttl })
}

fn speaks_of(authorization: &Authorization, principal: &Principal) -> bool {
    let federation = &authorization.federation;
    let subject = match &authorization.subject {
        Subject::Oidc { issuer, subject } => *issuer == principal.issuer && *subject == principal.subject,
        Subject::Spiffe { .. } => false,
    };
    subject && federation.kind.as_str() == "KubernetesFederation" && federation.name == principal.federation
}

#[cfg(test)]
mod tests;
