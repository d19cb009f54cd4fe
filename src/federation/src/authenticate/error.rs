//! Why a token is refused.

use std::error::Error;
use std::time::Duration;

use esi_core::{Classify, Code, Retry};
use thiserror::Error;

use super::jwt::Claims;

/// Why a caller is not authenticated. The texts quote issuers and audiences, which are not secret, cut and
/// escaped, since they come from the caller.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum AuthenticateError {
    /// No bearer token came with the call.
    #[error(
        "no token: send `authorization: Bearer <token>` with a service account token made for this server"
    )]
    Missing,
    /// The token is longer than any real one.
    #[error("the token has {bytes} bytes; at most {max} are read", max = super::jwt::MAX_TOKEN_BYTES)]
    TooLarge {
        /// Its length.
        bytes: usize,
    },
    /// It is no JWT in compact form.
    #[error("the token is no signed JWT: {problem}")]
    Malformed {
        /// What is wrong.
        problem: &'static str,
    },
    /// Its header names an algorithm that is not accepted.
    #[error("the token's algorithm `{algorithm}` is not accepted: RS256, ES256, ES384, ES512 and EdDSA are")]
    Algorithm {
        /// Which.
        algorithm: String,
    },
    /// No federation is registered for its issuer.
    #[error("the token's issuer `{issuer}` is not registered here: add a KubernetesFederation for it")]
    UnknownIssuer {
        /// Which.
        issuer: String,
    },
    /// The issuer's key set has no such key.
    #[error(
        "the token is signed with a key that federation `{federation}` does not have (now): get a fresh token, or renew its inline keys"
    )]
    UnknownKey {
        /// Whose key set.
        federation: String,
    },
    /// The signature does not verify.
    #[error("the token's signature is not valid")]
    Signature,
    /// A required claim is absent or of the wrong type.
    #[error("the token has no usable claim `{claim}`")]
    Claim {
        /// Which.
        claim: &'static str,
    },
    /// It is not meant for this server.
    #[error(
        "the token is for audience {found}, this server accepts {accepted}: set `audience` where the token is projected"
    )]
    Audience {
        /// For whom it is.
        found: String,
        /// For whom it should be.
        accepted: String,
    },
    /// Its time is over.
    #[error("the token expired {} s ago: get a fresh token", ago.as_secs())]
    Expired {
        /// Since when.
        ago: Duration,
    },
    /// Its time has not come.
    #[error("the token is valid only in {} s: compare the clocks of its cluster and this server", ahead.as_secs())]
    NotYetValid {
        /// Until when.
        ahead: Duration,
    },
    /// It is not bound to a service account.
    #[error("the token is no Kubernetes service account token: {problem}")]
    NotAServiceAccount {
        /// What is missing or contradictory.
        problem: &'static str,
    },
    /// The issuer's keys cannot be had now.
    #[error("the keys of federation `{federation}` cannot be fetched now; it is tried again")]
    KeysUnavailable {
        /// Whose keys.
        federation: String,
        /// What was seen.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
    /// The resource of its issuer cannot be used as it is written.
    #[error(
        "federation `{federation}` is written so that no token of it can be verified; the server's log says what to correct"
    )]
    FederationUnusable {
        /// Which.
        federation: String,
        /// What is wrong with it.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
    /// A defect: a lock of the authenticator is poisoned.
    #[error("the authenticator is broken: restart the server")]
    Broken,
}

impl AuthenticateError {
    pub(super) fn unknown_issuer(claims: &Claims) -> Self {
        match claims.issuer() {
            Some(issuer) => Self::UnknownIssuer {
                issuer: shown(issuer),
            },
            None => Self::Claim { claim: "iss" },
        }
    }
}

/// Text of a caller, fit to be shown: cut, and without control characters.
pub(super) fn shown(text: &str) -> String {
    text.chars().take(120).flat_map(char::escape_debug).collect()
}

impl Classify for AuthenticateError {
    fn code(&self) -> Code {
        match self {
            Self::KeysUnavailable { .. } => Code::Unavailable,
            Self::FederationUnusable { .. } => Code::FailedPrecondition,
            Self::Broken => Code::Internal,
            Self::Missing
            | Self::TooLarge { .. }
            | Self::Malformed { .. }
            | Self::Algorithm { .. }
            | Self::UnknownIssuer { .. }
            | Self::UnknownKey { .. }
            | Self::Signature
            | Self::Claim { .. }
            | Self::Audience { .. }
            | Self::Expired { .. }
            | Self::NotYetValid { .. }
            | Self::NotAServiceAccount { .. } => Code::Unauthenticated,
        }
    }

    fn retry(&self) -> Retry {
        match self {
            Self::KeysUnavailable { .. } => Retry::After(super::keys::REFETCH_INTERVAL),
            _ => Retry::Never,
        }
    }

    fn kind(&self) -> &'static str {
        match self {
            Self::Missing => "token_missing",
            Self::TooLarge { .. } => "token_too_large",
            Self::Malformed { .. } => "token_malformed",
            Self::Algorithm { .. } => "token_algorithm",
            Self::UnknownIssuer { .. } => "issuer_unknown",
            Self::UnknownKey { .. } => "key_unknown",
            Self::Signature => "token_signature",
            Self::Claim { .. } => "token_claim",
            Self::Audience { .. } => "token_audience",
            Self::Expired { .. } => "token_expired",
            Self::NotYetValid { .. } => "token_not_yet_valid",
            Self::NotAServiceAccount { .. } => "token_not_a_service_account",
            Self::KeysUnavailable { .. } => "keys_unavailable",
            Self::FederationUnusable { .. } => "federation_unusable",
            Self::Broken => "broken",
        }
    }
}
