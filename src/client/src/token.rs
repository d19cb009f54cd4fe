//! The caller's token, and where it comes from.
//!
//! Its claims are decoded here, *not* verified: the server does that. They only tell which fields to send, and
//! keep a token from being shown to a server that it was not made for.

use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use esi_core::{SecretBytes, Timestamp};
use serde::Deserialize;
use serde_json::value::RawValue;
use thiserror::Error;
use tonic::metadata::{Ascii, MetadataValue};
use zeroize::Zeroizing;

use crate::read::read_bounded;

/// Most bytes of a token. HTTP servers take 8 to 16 KiB for a header; Kubernetes' tokens have about one.
const MAX_TOKEN_BYTES: usize = 16 * 1024;

/// Why there is no token to show. Names files: for whoever runs the client, not for its callers.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TokenError {
    /// There is no file, or it cannot be read.
    #[error("the token file {path} cannot be read")]
    Read {
        /// The file.
        path: String,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// What is in a file is no token.
    #[error("the token file {path} is empty, or has something but the printable characters of a token")]
    Shape {
        /// The file.
        path: String,
    },
    /// What was given is no token.
    #[error("the token is empty, too long, or has something but the printable characters of a token")]
    NoToken,
    /// It was made for another server.
    #[error(
        "the token is for {found}, and this server takes tokens for `{wanted}`: request the token with that audience"
    )]
    Audience {
        /// The audiences that it names.
        found: String,
        /// The server's.
        wanted: String,
    },
}

/// Where the token of a call comes from.
#[derive(Debug, Clone)]
pub enum TokenSource {
    /// A file, read anew for each attempt: whoever projects it replaces it before it expires.
    File(PathBuf),
    /// One that somebody handed over for this call.
    Given(Token),
}

impl TokenSource {
    /// The token to show now.
    ///
    /// # Errors
    /// If the file cannot be read or holds no token.
    pub(crate) fn token(&self) -> Result<Token, TokenError> {
        match self {
            Self::File(path) => Token::read(path),
            Self::Given(token) => Ok(token.clone()),
        }
    }
}

/// A token and what its claims say. `Debug` shows the claims only.
#[derive(Debug, Clone)]
pub struct Token {
    header: MetadataValue<Ascii>,
    claims: Claims,
}

/// The claims that matter to a client.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Claims {
    /// Whether it was made for a pod.
    pod: bool,
    /// Whom it was made for, where it says so.
    audiences: Vec<String>,
    /// Until when it is good, where it says so.
    expires: Option<Timestamp>,
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
        Self::parse(&SecretBytes::new(bytes)).map_err(|_no_token| TokenError::Shape { path: shown() })
    }

    /// Takes `text`, without blanks around it.
    ///
    /// # Errors
    /// [`TokenError::NoToken`].
    pub fn parse(text: &SecretBytes) -> Result<Self, TokenError> {
        let token = text.expose().trim_ascii();
        let is_shaped = !token.is_empty() && token.iter().all(u8::is_ascii_graphic);
        if !is_shaped || token.len() > MAX_TOKEN_BYTES {
            return Err(TokenError::NoToken);
        }
        Ok(Self {
            header: bearer(token).ok_or(TokenError::NoToken)?,
            claims: claims(token).unwrap_or_default(),
        })
    }

    /// Whether it was made for a pod: then the pod's UID names the running instance, and nothing else may.
    pub(crate) fn is_of_a_pod(&self) -> bool {
        self.claims.pod
    }

    /// Until when it says that it is good. A hint: the server decides.
    #[must_use]
    pub fn expires(&self) -> Option<Timestamp> {
        self.claims.expires
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
        exp: Option<serde_json::Number>,
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
        // Counted in whole seconds by everybody, though a fraction is allowed: that one says nothing here.
        expires: payload.exp.and_then(|exp| exp.as_i64()).map(Timestamp::from_secs),
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
    fn a_token_says_until_when_it_is_good() {
        let expires = |payload: &str| read(&jwt(payload)).unwrap().expires();
        assert_eq!(
            expires(r#"{"exp":1800000000}"#),
            Some(Timestamp::from_secs(1_800_000_000))
        );
        for other in ["{}", r#"{"exp":1.5e99}"#] {
            assert_eq!(expires(other), None);
        }
        assert_eq!(read("opaque").unwrap().expires(), None);
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
    fn a_token_handed_over_keeps_to_the_same_rules() {
        let parse = |text: &str| Token::parse(&SecretBytes::from(text));
        assert_eq!(parse("abc").unwrap().into_header(), "Bearer abc");
        for bad in ["", "a b", &"a".repeat(20_000)] {
            assert!(matches!(parse(bad), Err(TokenError::NoToken)));
        }
    }

    #[test]
    fn a_token_is_not_printed() {
        let token = read("hunter2").unwrap();
        assert!(!format!("{token:?}").contains("hunter2"));
        assert!(token.into_header().is_sensitive());
    }
}
