//! The compact form of a signed JWT (RFC 7515 §7.1), taken apart; nothing in it is believed yet.
//!
//! Written here and not taken from a library because ES512, which Kubernetes' external signers may use
//! (KEP-740), is not in the one that is otherwise fit (`jsonwebtoken`); all cryptography is AWS-LC's.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use esi_core::SecretBytes;
use esi_resources::jwk::Algorithm;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::error::{AuthenticateError, shown};

/// Longest token read. Service account tokens have about 1 KiB; the header list of a call is bounded at 16 KiB.
pub(super) const MAX_TOKEN_BYTES: usize = 12 * 1024;

/// A token taken apart.
#[derive(Debug)]
pub(super) struct Jwt {
    pub(super) algorithm: Algorithm,
    pub(super) key_id: String,
    pub(super) claims: Claims,
    /// What is signed: header and payload as they came. Not secret without the signature.
    pub(super) signed: Vec<u8>,
    pub(super) signature: SecretBytes,
}

/// The payload.
#[derive(Debug)]
pub(super) struct Claims(Map<String, Value>);

impl Claims {
    /// `iss`, if it is text.
    pub(super) fn issuer(&self) -> Option<&str> {
        self.text("iss")
    }

    /// A claim that is text.
    pub(super) fn text(&self, claim: &str) -> Option<&str> {
        self.0.get(claim)?.as_str()
    }

    /// Any claim.
    pub(super) fn get(&self, claim: &str) -> Option<&Value> {
        self.0.get(claim)
    }
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    #[serde(default)]
    kid: Option<String>,
    #[serde(default)]
    crit: Option<Value>,
}

/// Takes a token apart.
///
/// # Errors
/// If it is too long, not of the form, or its header is not acceptable.
pub(super) fn parse(token: &SecretBytes) -> Result<Jwt, AuthenticateError> {
    if token.len() > MAX_TOKEN_BYTES {
        return Err(AuthenticateError::TooLarge { bytes: token.len() });
    }
    let text = token
        .expose_str()
        .map_err(|_source| malformed("it is not text"))?;
    let (signed, signature) = text.rsplit_once('.').ok_or_else(three_parts)?;
    let (header, payload) = signed.split_once('.').ok_or_else(three_parts)?;
    let header: Header = serde_json::from_slice(&decode(header)?)
        .map_err(|_source| malformed("its header is no JSON object with `alg`"))?;
    if header.crit.is_some() {
        return Err(malformed(
            "its header marks extensions as critical (`crit`), and none is supported",
        ));
    }
    let algorithm = header.alg.parse().map_err(|()| AuthenticateError::Algorithm {
        algorithm: shown(&header.alg),
    })?;
    let key_id = header
        .kid
        .ok_or_else(|| malformed("its header names no key (`kid`)"))?;
    let claims = serde_json::from_slice(&decode(payload)?)
        .map_err(|_source| malformed("its payload is no JSON object"))?;
    Ok(Jwt {
        algorithm,
        key_id,
        claims: Claims(claims),
        signed: signed.as_bytes().to_vec(),
        signature: SecretBytes::new(decode(signature)?),
    })
}

fn decode(part: &str) -> Result<Vec<u8>, AuthenticateError> {
    URL_SAFE_NO_PAD
        .decode(part)
        .map_err(|_source| malformed("a part is not base64url"))
}

fn three_parts() -> AuthenticateError {
    malformed("it does not have three parts")
}

fn malformed(problem: &'static str) -> AuthenticateError {
    AuthenticateError::Malformed { problem }
}
