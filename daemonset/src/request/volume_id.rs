//! The name that kubelet gives an inline volume.

use std::fmt;
use std::str::FromStr;

use esi_core::names::NameError;
use serde::{Deserialize, Serialize};

const PREFIX: &str = "csi-";
const DIGITS: usize = 64;

/// `csi-` and 64 lower-case hexadecimal digits: the SHA-256 of the pod's UID and the volume's name
/// (`makeVolumeHandle` of kubelet), so one id is one volume of one pod for ever. It is a file name without surprises.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct VolumeId(String);

impl VolumeId {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What the table of mounts shows as the volume's source: `esi:` and the id's first 16 digits, enough to tell
    /// the volumes of a node apart.
    #[must_use]
    pub fn source(&self) -> String {
        format!(
            "{SOURCE_PREFIX}{}",
            self.0.get(PREFIX.len()..PREFIX.len() + 16).unwrap_or_default()
        )
    }
}

impl TryFrom<String> for VolumeId {
    type Error = NameError;

    fn try_from(text: String) -> Result<Self, NameError> {
        text.parse()
    }
}

impl From<VolumeId> for String {
    fn from(id: VolumeId) -> Self {
        id.0
    }
}

/// How the source of every volume's file system begins.
pub const SOURCE_PREFIX: &str = "esi:";

impl FromStr for VolumeId {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        let digits = text.strip_prefix(PREFIX);
        if digits.is_some_and(|digits| digits.len() == DIGITS && digits.bytes().all(is_digit)) {
            Ok(Self(text.to_owned()))
        } else {
            let rule = "kubelet calls an inline volume `csi-` and 64 lower-case hexadecimal digits";
            Err(NameError::new("volume id", rule, text))
        }
    }
}

impl fmt::Display for VolumeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_kubelet_calls_a_volume_is_a_volume_id() {
        let good = format!("csi-{}", "0f".repeat(32));
        assert_eq!(good.parse::<VolumeId>().unwrap().as_str(), good);
        for bad in [
            String::new(),
            "csi-".to_owned(),
            format!("csi-{}", "0F".repeat(32)),
            format!("csi-{}", "0f".repeat(31)),
            format!("{good}0"),
            format!("csi-../{}", "0".repeat(61)),
        ] {
            assert!(bad.parse::<VolumeId>().is_err(), "{bad} was taken");
        }
    }
}
