//! A credential: the values that a generator minted, by key.

use std::collections::BTreeMap;

use thiserror::Error;

use crate::classify::{Classify, Code, Retry};
use crate::secret::SecretBytes;

/// Most keys one credential may have. The widest backend answers seen have about ten.
pub const MAX_KEYS: usize = 128;
/// Longest key, in bytes: the bound that Kubernetes puts on the keys of a Secret.
pub const MAX_KEY_BYTES: usize = 253;
/// Most bytes all values may have together: the bound that Kubernetes puts on a Secret (1 MiB).
pub const MAX_TOTAL_BYTES: usize = 1024 * 1024;

/// Minted values by key, within the bounds of this module. Iterates in key order.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Credential(BTreeMap<String, SecretBytes>);

/// Why a backend's answer is no credential.
#[derive(Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum CredentialError {
    /// More than [`MAX_KEYS`] keys.
    #[error("the credential has {count} keys; at most {MAX_KEYS} are carried")]
    TooManyKeys {
        /// How many it has.
        count: usize,
    },
    /// A key is empty, longer than [`MAX_KEY_BYTES`], or has a control character.
    #[error(
        "key number {position} of the credential is empty, longer than {MAX_KEY_BYTES} bytes or has a control character"
    )]
    BadKey {
        /// Which key, counted from 1 in key order (the key itself may be hostile text).
        position: usize,
    },
    /// More than [`MAX_TOTAL_BYTES`] in all.
    #[error("the credential has {bytes} bytes; at most {MAX_TOTAL_BYTES} are carried")]
    TooLarge {
        /// How many bytes it has.
        bytes: usize,
    },
}

impl Classify for CredentialError {
    fn code(&self) -> Code {
        Code::FailedPrecondition
    }

    fn retry(&self) -> Retry {
        Retry::Never
    }

    fn kind(&self) -> &'static str {
        "credential_out_of_bounds"
    }
}

impl Credential {
    /// Checks the bounds.
    ///
    /// # Errors
    /// See [`CredentialError`].
    pub fn new(values: BTreeMap<String, SecretBytes>) -> Result<Self, CredentialError> {
        if values.len() > MAX_KEYS {
            return Err(CredentialError::TooManyKeys { count: values.len() });
        }
        let bad =
            |key: &String| key.is_empty() || key.len() > MAX_KEY_BYTES || key.chars().any(char::is_control);
        if let Some(index) = values.keys().position(bad) {
            return Err(CredentialError::BadKey { position: index + 1 });
        }
        let bytes = values.values().map(SecretBytes::len).sum();
        if bytes > MAX_TOTAL_BYTES {
            return Err(CredentialError::TooLarge { bytes });
        }
        Ok(Self(values))
    }

    /// The value of `key`.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&SecretBytes> {
        self.0.get(key)
    }

    /// The keys, in order. Keys are not secret.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// Keys and values, in key order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &SecretBytes)> {
        self.0.iter().map(|(key, value)| (key.as_str(), value))
    }

    /// How many keys there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is no key at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Bytes of all values together.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.0.values().map(SecretBytes::len).sum()
    }

    /// A second copy, made on purpose.
    #[must_use]
    pub fn duplicate(&self) -> Self {
        Self(
            self.0
                .iter()
                .map(|(key, value)| (key.clone(), value.duplicate()))
                .collect(),
        )
    }
}

impl IntoIterator for Credential {
    type Item = (String, SecretBytes);
    type IntoIter = std::collections::btree_map::IntoIter<String, SecretBytes>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(pairs: &[(&str, &str)]) -> BTreeMap<String, SecretBytes> {
        pairs
            .iter()
            .map(|(k, v)| ((*k).to_owned(), SecretBytes::from(*v)))
            .collect()
    }

    #[test]
    fn keys_come_in_order_and_values_by_key() {
        let credential = Credential::new(values(&[("username", "u"), ("password", "p")])).unwrap();
        assert_eq!(credential.keys().collect::<Vec<_>>(), ["password", "username"]);
        assert_eq!(credential.get("username").unwrap().expose(), b"u");
    }

    #[test]
    fn a_key_with_a_control_character_is_refused_by_position_and_not_echoed() {
        let error = Credential::new(values(&[("a", ""), ("b\n", "")])).unwrap_err();
        assert_eq!(error, CredentialError::BadKey { position: 2 });
        assert!(!error.to_string().contains('\n'));
    }

    #[test]
    fn more_than_a_mebibyte_is_refused() {
        let big = BTreeMap::from([("k".to_owned(), SecretBytes::new(vec![0; MAX_TOTAL_BYTES + 1]))]);
        assert_eq!(
            Credential::new(big).unwrap_err(),
            CredentialError::TooLarge {
                bytes: MAX_TOTAL_BYTES + 1
            }
        );
    }

    #[test]
    fn debug_of_a_credential_has_no_value() {
        let credential = Credential::new(values(&[("password", "hunter2")])).unwrap();
        assert!(!format!("{credential:?}").contains("hunter2"));
    }
}
