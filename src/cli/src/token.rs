//! The workload's token: read anew for each attempt, since whoever projects it replaces it before it expires.
//!
//! Its claims are decoded here, *not* verified: the server does that. They only tell which fields to send, and
//! keep a token from being shown to a server that it was not made for.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use esi_core::SecretBytes;
use serde::Deserialize;
use serde_json::value::RawValue;
use thiserror::Error;
use tonic::metadata::{Ascii, MetadataValue};
use zeroize::Zeroizing;

use crate::config::read_bounded;

/// Most bytes of a token. HTTP servers take 8 to 16 KiB for a header; Kubernetes' tokens have about one.
const MAX_TOKEN_BYTES: usize = 16 * 1024;

/// Why there is no token to show.
#[derive(Debug, Error)]
pub(crate) enum TokenError {
    #[error("the token file {path} cannot be read")]
    Read {
        path: String,
        #[source]
        source: std::io::Error,
    },
    #[error("the token file {path} is empty, or has something but the printable characters of a token")]
    Shape { path: String },
    #[error(
        "the token is for {found}, and this server takes tokens for `{wanted}`: request the token with that audience"
    )]
    Audience { found: String, wanted: String },
}

/// A token and what its claims say.
#[derive(Debug)]
pub(crate) struct Token {
    header: MetadataValue<Ascii>,
    claims: Claims,
}

/// The claims that matter to a client.
#[derive(Debug, Default, PartialEq, Eq)]
struct Claims {
    /// Whether it was made for a pod.
    pod: bool,
    /// Whom it was made for, where it says so.
    audiences: Vec<String>,
}

impl Token {
    /// Reads the token in a file.
    ///
    /// # Errors
    /// If the file cannot be read, is too large or holds no token.
    pub(crate) fn read(path: &Path) -> Result<Self, TokenError> {
        let shown = || path.display().to_string();
        let bytes = read_bounded(path, MAX_TOKEN_BYTES).map_err(|source| TokenError::Read {
            path: shown(),
            source,
        })?;
        let text = SecretBytes::new(bytes);
        let token = text.expose().trim_ascii();
        if token.is_empty() || !token.iter().all(u8::is_ascii_graphic) {
            return Err(TokenError::Shape { path: shown() });
        }
        Ok(Self {
            header: bearer(token).ok_or_else(|| TokenError::Shape { path: shown() })?,
            claims: claims(token).unwrap_or_default(),
        })
    }

    /// Whether it was made for a pod: then the pod's UID names the running instance, and nothing else may.
    pub(crate) fn is_of_a_pod(&self) -> bool {
        self.claims.pod
    }

    /// Refuses a token that says it is for others than `wanted`.
    ///
    /// # Errors
    /// Naming both.
    pub(crate) fn check_audience(&self, wanted: &str) -> Result<(), TokenError> {
        let found = &self.claims.audiences;
        if found.is_empty() || found.iter().any(|audience| audience == wanted) {
            return Ok(());
        }
        Err(TokenError::Audience {
            found: format!("`{}`", found.join("`, `")),
            wanted: wanted.to_owned(),
        })
    }

    /// The metadata entry that shows it.
    pub(crate) fn into_header(self) -> MetadataValue<Ascii> {
        self.header
    }
}

/// `Bearer <token>`, marked so that neither a log nor header compression keeps it.
fn bearer(token: &[u8]) -> Option<MetadataValue<Ascii>> {
    let mut header = Zeroizing::new(Vec::with_capacity(token.len().saturating_add(7)));
    header.extend_from_slice(b"Bearer ");
    header.extend_from_slice(token);
    let mut value = MetadataValue::try_from(header.as_slice()).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// The claims of a JWT (RFC 7519); none where the text is something else.
fn claims(token: &[u8]) -> Option<Claims> {
    #[derive(Deserialize)]
    struct Payload {
        aud: Option<Audience>,
        #[serde(rename = "kubernetes.io")]
        kubernetes: Option<Kubernetes>,
    }
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Audience {
        One(String),
        Many(Vec<String>),
    }
    #[derive(Deserialize)]
    struct Kubernetes {
        pod: Option<Box<RawValue>>,
    }

    let mut parts = token.split(|byte| *byte == b'.');
    let payload = parts.nth(1)?;
    parts.next()?;
    let json = Zeroizing::new(URL_SAFE_NO_PAD.decode(payload).ok()?);
    let payload: Payload = serde_json::from_slice(&json).ok()?;
    Some(Claims {
        pod: payload.kubernetes.is_some_and(|claim| claim.pod.is_some()),
        audiences: match payload.aud {
            None => Vec::new(),
            Some(Audience::One(audience)) => vec![audience],
            Some(Audience::Many(audiences)) => audiences,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn jwt(payload: &str) -> String {
        format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(payload))
    }

    fn read(text: &str) -> Result<Token, TokenError> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        Token::read(file.path())
    }

    #[test]
    fn a_pods_token_is_told_from_another() {
        let pod = jwt(r#"{"aud":["esi"],"kubernetes.io":{"namespace":"a","pod":{"name":"p","uid":"u"}}}"#);
        assert!(read(&pod).unwrap().is_of_a_pod());
        let account = jwt(r#"{"aud":"esi","kubernetes.io":{"namespace":"a","serviceaccount":{"name":"s"}}}"#);
        assert!(!read(&account).unwrap().is_of_a_pod());
        assert!(
            !read(&jwt(r#"{"kubernetes.io":{"pod":null}}"#))
                .unwrap()
                .is_of_a_pod()
        );
        assert!(!read("opaque").unwrap().is_of_a_pod());
    }

    #[test]
    fn a_token_for_another_audience_is_not_shown() {
        let token = read(&jwt(r#"{"aud":["a","b"]}"#)).unwrap();
        assert!(token.check_audience("b").is_ok());
        let text = token.check_audience("c").unwrap_err().to_string();
        assert!(
            text.starts_with("the token is for `a`, `b`, and this server takes tokens for `c`"),
            "{text}"
        );
        // What says nothing is the server's to judge.
        assert!(read("opaque").unwrap().check_audience("c").is_ok());
    }

    #[test]
    fn blanks_around_a_token_are_no_part_of_it_and_blanks_inside_are_refused() {
        assert_eq!(read(" abc\n").unwrap().into_header(), "Bearer abc");
        for bad in ["", "\n", "a b", "a\nb", "a\u{e9}"] {
            assert!(
                matches!(read(bad), Err(TokenError::Shape { .. })),
                "{bad:?} was taken"
            );
        }
        assert!(matches!(read(&"a".repeat(20_000)), Err(TokenError::Read { .. })));
    }

    #[test]
    fn a_token_is_not_printed() {
        let token = read("hunter2").unwrap();
        assert!(!format!("{token:?}").contains("hunter2"));
        assert!(token.into_header().is_sensitive());
    }
}
