//! A token of Vault, fit for a header.

use esi_core::SecretBytes;
use http::HeaderValue;
use thiserror::Error;

/// A token: trimmed, and only visible ASCII.
#[derive(Debug)]
pub(in crate::vault) struct Token(SecretBytes);

/// Why a text is no token. Says nothing of the text.
#[derive(Debug, Error)]
#[error("a token is one word of visible ASCII characters")]
pub(in crate::vault) struct BadToken;

impl Token {
    /// From a Secret or an answer; white space around it (a trailing newline) is dropped.
    pub(in crate::vault) fn new(bytes: &SecretBytes) -> Result<Self, BadToken> {
        let token = bytes.expose().trim_ascii();
        if token.is_empty() || !token.iter().all(u8::is_ascii_graphic) {
            return Err(BadToken);
        }
        Ok(Self(SecretBytes::new(token.to_vec())))
    }

    /// A second copy, made on purpose.
    pub(in crate::vault) fn duplicate(&self) -> Self {
        Self(self.0.duplicate())
    }

    /// The header's value; marked, so that HTTP libraries neither print nor index it.
    pub(super) fn header(&self) -> Result<HeaderValue, BadToken> {
        let mut value = HeaderValue::from_bytes(self.0.expose()).map_err(|_source| BadToken)?;
        value.set_sensitive(true);
        Ok(value)
    }

    /// The text, to look for it in what must not contain it.
    pub(super) fn expose_str(&self) -> &str {
        self.0.expose_str().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newline_at_the_end_of_a_secret_file_is_dropped() {
        let token = Token::new(&SecretBytes::from("s.abc\n")).unwrap();
        assert_eq!(token.header().unwrap(), "s.abc");
        assert!(token.header().unwrap().is_sensitive());
    }

    #[test]
    fn what_would_break_a_header_is_refused_and_not_shown() {
        for text in ["", " \n", "s.a\nX-Evil: 1", "s.ü"] {
            let error = Token::new(&SecretBytes::from(text)).unwrap_err();
            assert!(!format!("{error}{error:?}").contains("s."), "{error:?}");
        }
    }
}
