//! What identifies a lease, and what is known of how it ends.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::{NoContext, Uuid};

use crate::clock::Timestamp;
use crate::names::NameError;

/// The identity of one lease: random, never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LeaseId(Uuid);

impl LeaseId {
    /// A new one.
    #[must_use]
    pub fn random() -> Self {
        Self(Uuid::new_v4())
    }

    /// A new one that sorts after those of earlier milliseconds (RFC 9562 version 7: the time, then 74 random bits),
    /// so that a store which keeps leases by their id adds each at its end.
    #[must_use]
    pub fn at(now: Timestamp) -> Self {
        let millis = u64::try_from(now.as_millis()).unwrap_or(0);
        let nanos = u32::try_from(millis % 1000).unwrap_or(0) * 1_000_000;
        Self(Uuid::new_v7(uuid::Timestamp::from_unix(
            NoContext,
            millis / 1000,
            nanos,
        )))
    }

    /// As 32 hexadecimal digits.
    #[must_use]
    pub fn simple(self) -> String {
        self.0.simple().to_string()
    }
}

impl fmt::Display for LeaseId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for LeaseId {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        Uuid::parse_str(text)
            .map(Self)
            .map_err(|_source| NameError::new("lease id", "write a UUID", text))
    }
}

/// The identity of one ledger: eight hexadecimal digits, made when the ledger is. It begins every name that is
/// given to something at a backend, so that two installations on one backend never touch each other's.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct InstallationId(String);

impl InstallationId {
    /// A new one.
    #[must_use]
    pub fn random() -> Self {
        Self(Uuid::new_v4().simple().to_string().chars().take(8).collect())
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for InstallationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for InstallationId {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        if text.len() == 8
            && text
                .bytes()
                .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
        {
            Ok(Self(text.to_owned()))
        } else {
            Err(NameError::new(
                "installation id",
                "write 8 lower-case hexadecimal digits",
                text,
            ))
        }
    }
}

/// The promise to mint, recorded before the backend is asked. Its name goes into whatever the backend lets us
/// name, so that a credential can be found again from the intent alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Intent {
    /// Whose it is.
    pub installation: InstallationId,
    /// Which lease it becomes.
    pub lease: LeaseId,
}

impl Intent {
    /// `esi<separator><installation><separator><lease>`: 45 bytes with a separator of one byte.
    #[must_use]
    pub fn name(&self, separator: char) -> String {
        format!(
            "esi{separator}{}{separator}{}",
            self.installation,
            self.lease.simple()
        )
    }
}

/// The n-th credential of a binding, counted from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Generation(u64);

impl Generation {
    /// The first.
    pub const FIRST: Self = Self(1);

    /// From its number.
    #[must_use]
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    /// Its number.
    #[must_use]
    pub const fn number(self) -> u64 {
        self.0
    }

    /// The one after it.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl fmt::Display for Generation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What a client calls one attempt to get a credential; a retry repeats it. 8 to 64 letters, digits and `-`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RequestId(String);

impl RequestId {
    /// A new one.
    #[must_use]
    pub fn random() -> Self {
        Self(Uuid::new_v4().to_string())
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for RequestId {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        if (8..=64).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') {
            Ok(Self(text.to_owned()))
        } else {
            Err(NameError::new(
                "request id",
                "use 8 to 64 letters, digits and `-` (a UUID)",
                text,
            ))
        }
    }
}

/// How a lease ends when it is revoked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ends {
    /// The backend withdraws the credential when told to.
    AtOnce,
    /// The backend cannot withdraw it: it ends at its expiry and not before.
    AtExpiry,
}

/// What a generator needs to find its credential again: never secret, at most [`Handle::MAX_BYTES`] as JSON.
/// Each kind of generator defines its own content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(transparent)]
pub struct Handle(serde_json::Map<String, serde_json::Value>);

impl Handle {
    /// Most bytes of its JSON text that a ledger keeps.
    pub const MAX_BYTES: usize = 16 * 1024;

    /// With one more field.
    #[must_use]
    pub fn with(mut self, field: &str, value: impl Into<serde_json::Value>) -> Self {
        self.0.insert(field.to_owned(), value.into());
        self
    }

    /// A field that is text.
    #[must_use]
    pub fn text(&self, field: &str) -> Option<&str> {
        self.0.get(field).and_then(serde_json::Value::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_intents_name_starts_with_its_installation_and_fits_every_backend() {
        let intent = Intent {
            installation: "0a1b2c3d".parse().unwrap(),
            lease: LeaseId::random(),
        };
        let name = intent.name('_');
        assert!(name.starts_with("esi_0a1b2c3d_"), "{name}");
        assert_eq!(name.len(), 45);
    }

    #[test]
    fn identifiers_read_back_what_they_write() {
        let id = LeaseId::random();
        assert_eq!(id.to_string().parse::<LeaseId>().unwrap(), id);
        let installation = InstallationId::random();
        assert_eq!(
            installation.to_string().parse::<InstallationId>().unwrap(),
            installation
        );
        assert!(RequestId::random().as_str().parse::<RequestId>().is_ok());
    }

    #[test]
    fn the_ids_of_leases_sort_by_time_and_never_meet() {
        let at = |millis| LeaseId::at(Timestamp::from_millis(millis));
        let ids = [
            at(-1),
            at(1),
            at(999),
            at(1000),
            at(1_700_000_000_123),
            at(1_700_000_000_124),
        ];
        assert!(ids.is_sorted(), "{ids:?}");
        assert!(ids.map(LeaseId::simple).is_sorted());
        assert_ne!(at(7), at(7));
    }

    #[test]
    fn a_request_id_is_bounded() {
        assert!("short".parse::<RequestId>().is_err());
        assert!("x".repeat(65).parse::<RequestId>().is_err());
        assert!("has space".parse::<RequestId>().is_err());
    }
}
