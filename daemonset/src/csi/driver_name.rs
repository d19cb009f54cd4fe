//! The driver's name.

use std::fmt;
use std::str::FromStr;

use esi_core::names::NameError;

/// The name of the CSIDriver object: in domain name notation, at most 63 characters (CSI, `GetPluginInfo`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DriverName(String);

impl DriverName {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for DriverName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let is_edge = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        let is_part = |part: &str| {
            let bytes = part.as_bytes();
            bytes.first().copied().is_some_and(is_edge)
                && bytes.last().copied().is_some_and(is_edge)
                && bytes.iter().all(|&byte| is_edge(byte) || byte == b'-')
        };
        if text.len() <= 63 && text.split('.').all(is_part) {
            return Ok(Self(text.to_owned()));
        }
        let rule = "use 1 to 63 lower-case letters, digits, `-` and `.`; each part between dots starts and ends with a letter or digit";
        Err(NameError::new("driver name", rule, text))
    }
}

impl fmt::Display for DriverName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_a_file_name_too() {
        assert!("esi.csi.external-secrets.io".parse::<DriverName>().is_ok());
        let long = "x".repeat(64);
        for bad in ["", ".", "..", "a..b", "a/b", "-a", "a-", "A", "a b", &long] {
            assert!(bad.parse::<DriverName>().is_err(), "{bad} was taken");
        }
    }
}
