//! The one type that holds secret bytes.
//!
//! Zeroised on drop, compared in constant time, and without `Display`, `Serialize` or `Clone`: a copy is
//! made by [`SecretBytes::duplicate`] and so is seen in review. `Debug` shows the length only.

use std::fmt;
use std::str::Utf8Error;

use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

/// Bytes that must not be printed, stored or left in freed memory.
#[derive(Default)]
pub struct SecretBytes(Zeroizing<Vec<u8>>);

impl SecretBytes {
    /// Takes ownership of `bytes`; nothing is copied.
    #[must_use]
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// The bytes. Every call is a place where a secret may escape: keep the borrow short.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// The bytes as text.
    ///
    /// # Errors
    /// If they are not UTF-8. The error gives a position, never a byte.
    pub fn expose_str(&self) -> Result<&str, Utf8Error> {
        std::str::from_utf8(&self.0)
    }

    /// A second copy, made on purpose.
    #[must_use]
    pub fn duplicate(&self) -> Self {
        Self::new(self.0.to_vec())
    }

    /// Gives the bytes away, for an API that must own a plain vector (the wire).
    #[must_use]
    pub fn into_exposed(mut self) -> Vec<u8> {
        std::mem::take(&mut *self.0)
    }

    /// How many bytes there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are no bytes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl From<Vec<u8>> for SecretBytes {
    fn from(bytes: Vec<u8>) -> Self {
        Self::new(bytes)
    }
}

impl From<String> for SecretBytes {
    fn from(text: String) -> Self {
        Self::new(text.into_bytes())
    }
}

impl From<&str> for SecretBytes {
    fn from(text: &str) -> Self {
        Self::new(text.as_bytes().to_vec())
    }
}

impl PartialEq for SecretBytes {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for SecretBytes {}

impl fmt::Debug for SecretBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<redacted {} bytes>", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_the_length_and_no_byte() {
        assert_eq!(
            format!("{:?}", SecretBytes::from("hunter2")),
            "<redacted 7 bytes>"
        );
    }

    #[test]
    fn equality_is_by_content() {
        assert_eq!(SecretBytes::from("a"), SecretBytes::from("a").duplicate());
        assert_ne!(SecretBytes::from("a"), SecretBytes::from("ab"));
    }

    #[test]
    fn giving_the_bytes_away_leaves_them_unchanged() {
        assert_eq!(SecretBytes::from("abc").into_exposed(), b"abc");
    }

    #[test]
    fn text_that_is_not_utf8_is_an_error_without_the_bytes() {
        let error = SecretBytes::new(vec![b'a', 0xff]).expose_str().unwrap_err();
        assert_eq!(error.valid_up_to(), 1);
    }
}
