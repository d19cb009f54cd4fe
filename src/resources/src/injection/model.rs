//! The words of an injection that are no part of its plan.

use std::fmt;
use std::str::FromStr;

use esi_core::names::{BindingName, NameError};
use serde::{Deserialize, Serialize};

/// Who fills the volume.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Delivery {
    /// The injected init container.
    Init,
    /// The node daemon, before any container starts.
    Node,
}

impl fmt::Display for Delivery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Init => "init",
            Self::Node => "node",
        })
    }
}

/// Where a container finds its files: an absolute path without `.`, `..`, empty components, `:` (which container
/// runtimes take for a separator) and control characters; at most 255 bytes; never `/`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct MountPath(String);

/// Most bytes of a mount path.
pub(super) const MAX_MOUNT_PATH_BYTES: usize = 255;

impl MountPath {
    /// Where the files of a binding are when nobody says otherwise.
    #[must_use]
    pub fn of(binding: &BindingName) -> Self {
        Self(format!("/var/run/secrets/esi/{binding}"))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether one is the other, or lies below it.
    #[must_use]
    pub fn overlaps(&self, other: &str) -> bool {
        let below = |long: &str, short: &str| {
            long.strip_prefix(short.trim_end_matches('/'))
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        below(&self.0, other) || below(other, &self.0)
    }
}

impl FromStr for MountPath {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let good = |part: &str| !matches!(part, "" | "." | "..");
        let clean = !text.contains(|c: char| c.is_control() || c == ':');
        match text.strip_prefix('/') {
            Some(rest) if clean && text.len() <= MAX_MOUNT_PATH_BYTES && rest.split('/').all(good) => {
                Ok(Self(text.to_owned()))
            }
            _ => Err(NameError::new(
                "mount path",
                "write an absolute path of at most 255 bytes such as /etc/db, without `.`, `..`, `//`, `:` and a \
                 closing `/`",
                text,
            )),
        }
    }
}

impl TryFrom<String> for MountPath {
    type Error = NameError;

    fn try_from(text: String) -> Result<Self, NameError> {
        text.parse()
    }
}

impl From<MountPath> for String {
    fn from(path: MountPath) -> Self {
        path.0
    }
}

impl fmt::Display for MountPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mount_path_is_absolute_and_plain() {
        assert!("/etc/db".parse::<MountPath>().is_ok());
        for bad in ["", "/", "etc", "/etc/", "/etc//db", "/etc/../db", "/a:b", "/a\nb"] {
            assert!(bad.parse::<MountPath>().is_err(), "{bad:?} was taken");
        }
    }

    #[test]
    fn paths_overlap_by_whole_components() {
        let path: MountPath = "/etc/db".parse().unwrap();
        for other in ["/etc/db", "/etc/db/", "/etc", "/", "/etc/db/x"] {
            assert!(path.overlaps(other), "{other}");
        }
        for other in ["/etc/dbx", "/et", "/var"] {
            assert!(!path.overlaps(other), "{other}");
        }
    }
}
