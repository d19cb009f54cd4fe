//! Vault's answers: bytes that are wiped, read in place.

use std::fmt;
use std::time::Duration;

use esi_core::SecretBytes;
use serde::Deserialize;
use serde_json::value::RawValue;
use zeroize::Zeroizing;

use super::failure::Failure;
use super::token::Token;

/// A successful answer. Its `Debug` shows its length only.
pub(in crate::vault) struct Answer {
    status: u16,
    body: Zeroizing<Vec<u8>>,
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<answer of {} bytes, status {}>", self.body.len(), self.status)
    }
}

/// The parts that every answer of Vault has; the sections unread.
#[derive(Deserialize)]
pub(in crate::vault) struct Envelope<'a> {
    /// The lease, where there is one.
    #[serde(default)]
    pub(in crate::vault) lease_id: Option<String>,
    /// Seconds that the lease lives, or zero.
    #[serde(default)]
    pub(in crate::vault) lease_duration: Option<u64>,
    /// Whether the lease can be renewed.
    #[serde(default)]
    pub(in crate::vault) renewable: Option<bool>,
    /// Section `data`.
    #[serde(borrow, default)]
    pub(in crate::vault) data: Option<&'a RawValue>,
    /// Section `auth`.
    #[serde(borrow, default)]
    pub(in crate::vault) auth: Option<&'a RawValue>,
}

impl fmt::Debug for Envelope<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Envelope").finish_non_exhaustive()
    }
}

/// A token as Vault describes it in section `auth`.
#[derive(Debug)]
pub(in crate::vault) struct Grant {
    /// The token; absent where it was renewed by its accessor.
    pub(in crate::vault) token: Option<Token>,
    /// Names the token and cannot be used as it. A batch token has none.
    pub(in crate::vault) accessor: Option<String>,
    /// How long it lives; `None`: without end.
    pub(in crate::vault) ttl: Option<Duration>,
    /// Whether it can be renewed.
    pub(in crate::vault) renewable: bool,
    /// Whether it lives on when another token ends.
    pub(in crate::vault) orphan: bool,
    /// How often it may be used; zero: without bound.
    pub(in crate::vault) uses: u64,
}

impl Answer {
    pub(super) fn new(status: u16, body: Vec<u8>) -> Self {
        Self {
            status,
            body: Zeroizing::new(body),
        }
    }

    /// An answer as a test has it.
    #[cfg(test)]
    pub(in crate::vault) fn for_test(status: u16, body: &str) -> Self {
        Self::new(status, body.as_bytes().to_vec())
    }

    /// Whether there is nothing to read: no body, or the 404 with which Vault says "nothing there".
    pub(in crate::vault) fn is_empty(&self) -> bool {
        self.status == 404 || self.body.trim_ascii().is_empty()
    }

    /// The whole answer as text.
    pub(in crate::vault) fn text(&self) -> Result<&str, Failure> {
        std::str::from_utf8(&self.body).map_err(|_source| Failure::Malformed("the answer is not UTF-8"))
    }

    /// The parts of the answer.
    pub(in crate::vault) fn envelope(&self) -> Result<Envelope<'_>, Failure> {
        // The parser's own message may quote a value.
        serde_json::from_str(self.text()?)
            .map_err(|_source| Failure::Malformed("the answer is no JSON of Vault's"))
    }

    /// The token in section `auth`.
    pub(in crate::vault) fn grant(&self) -> Result<Grant, Failure> {
        self.envelope()?
            .grant()?
            .ok_or(Failure::Malformed("the answer has no section `auth`"))
    }
}

impl Envelope<'_> {
    /// The token in section `auth`, where there is one.
    pub(in crate::vault) fn grant(&self) -> Result<Option<Grant>, Failure> {
        #[derive(Deserialize)]
        struct Auth {
            #[serde(default)]
            client_token: String,
            #[serde(default)]
            accessor: String,
            #[serde(default)]
            lease_duration: u64,
            #[serde(default)]
            renewable: bool,
            #[serde(default)]
            orphan: bool,
            #[serde(default)]
            num_uses: u64,
        }
        let Some(section) = self.auth else {
            return Ok(None);
        };
        let auth: Auth = serde_json::from_str(section.get())
            .map_err(|_source| Failure::Malformed("section `auth` of the answer is not Vault's"))?;
        let token = SecretBytes::from(auth.client_token);
        Ok(Some(Grant {
            token: Token::new(&token).ok(),
            accessor: Some(auth.accessor).filter(|accessor| !accessor.is_empty()),
            ttl: seconds(auth.lease_duration),
            renewable: auth.renewable,
            orphan: auth.orphan,
            uses: auth.num_uses,
        }))
    }

    /// How long the lease lives; `None` where the answer does not say.
    pub(in crate::vault) fn ttl(&self) -> Option<Duration> {
        self.lease_duration.and_then(seconds)
    }
}

/// Zero means "not said" or "without end" in every field of Vault's.
fn seconds(count: u64) -> Option<Duration> {
    (count > 0).then(|| Duration::from_secs(count))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_of_an_answer_shows_no_byte_of_it() {
        let answer = Answer::new(200, br#"{"data":{"password":"hunter2"}}"#.to_vec());
        let shown = format!("{answer:?}{:?}", answer.envelope().unwrap());
        assert!(!shown.contains("hunter2"), "{shown}");
    }

    #[test]
    fn a_malformed_answer_is_an_error_that_quotes_nothing() {
        let answer = Answer::new(200, br#"{"lease_duration":"hunter2"}"#.to_vec());
        let error = answer.envelope().unwrap_err();
        assert!(!format!("{error}{error:?}").contains("hunter2"));
    }

    #[test]
    fn a_token_is_read_from_section_auth() {
        let answer = Answer::new(
            200,
            br#"{"auth":{"client_token":"s.x","accessor":"a","lease_duration":60,"renewable":true,"orphan":true}}"#
                .to_vec(),
        );
        let grant = answer.grant().unwrap();
        assert_eq!(grant.accessor.as_deref(), Some("a"));
        assert_eq!(grant.ttl, Some(Duration::from_secs(60)));
        assert!(grant.token.is_some() && grant.renewable && grant.orphan);
    }
}
