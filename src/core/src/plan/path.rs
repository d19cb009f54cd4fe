//! Where a file goes, below its volume.

use std::fmt;
use std::str::FromStr;

use super::limits::{MAX_COMPONENT_BYTES, MAX_PATH_BYTES, MAX_PATH_COMPONENTS};
use crate::names::NameError;

/// A path that stays below the directory it is resolved in, by text alone: relative, no `.` or `..`, no empty
/// component, no control character. A first component that starts with `..` belongs to the delivery itself
/// (`..data`), as in kubelet's own atomic volumes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RelativePath(String);

/// The file of the variables in a volume whose plan has the method `exec`.
const ENVIRON: &str = ".environ";

impl RelativePath {
    /// Where the variables of a plan with the method `exec` go, below the volume. Hidden, since it is no file that
    /// the workload asked for; such a plan has no other file there.
    #[must_use]
    pub fn environ() -> Self {
        Self(ENVIRON.to_owned())
    }

    /// The text, components joined by `/`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The components; there is at least one.
    pub fn components(&self) -> impl Iterator<Item = &str> {
        self.0.split('/')
    }

    /// Whether one path would be a directory on the way of the other, or both are the same.
    #[must_use]
    pub fn collides_with(&self, other: &Self) -> bool {
        self.components().zip(other.components()).all(|(a, b)| a == b)
    }
}

impl FromStr for RelativePath {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        match broken_rule(text) {
            None => Ok(Self(text.to_owned())),
            Some(rule) => Err(NameError::new("file path", rule, text)),
        }
    }
}

impl fmt::Display for RelativePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn broken_rule(text: &str) -> Option<&'static str> {
    if text.is_empty() {
        return Some("it is empty");
    }
    if text.starts_with('/') {
        return Some("it must be relative to the volume, without a leading `/`");
    }
    if text.len() > MAX_PATH_BYTES {
        return Some("it is longer than 512 bytes");
    }
    if text.chars().any(char::is_control) {
        return Some("it has a control character");
    }
    if text.starts_with("..") {
        return Some("names that start with `..` are reserved");
    }
    for (index, component) in text.split('/').enumerate() {
        if index >= MAX_PATH_COMPONENTS {
            return Some("it has more than 8 components");
        }
        match component {
            "" => return Some("it has an empty component"),
            "." | ".." => return Some("`.` and `..` are not allowed"),
            long if long.len() > MAX_COMPONENT_BYTES => return Some("a component is longer than 255 bytes"),
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_could_leave_the_volume_is_refused() {
        for bad in [
            "",
            "/etc/passwd",
            "..",
            "../a",
            "a/..",
            "a/../b",
            "./a",
            "a//b",
            "a/",
            "..data",
            "a\0b",
            "a\nb",
        ] {
            assert!(bad.parse::<RelativePath>().is_err(), "{bad:?} was taken");
        }
    }

    #[test]
    fn the_file_of_variables_is_a_path_like_any_other() {
        assert_eq!(ENVIRON.parse(), Ok(RelativePath::environ()));
    }

    #[test]
    fn a_file_cannot_lie_below_another_file() {
        let path = |text: &str| text.parse::<RelativePath>().unwrap();
        assert!(path("a").collides_with(&path("a/b")));
        assert!(path("a/b").collides_with(&path("a")));
        assert!(path("a").collides_with(&path("a")));
        assert!(!path("a").collides_with(&path("ab")));
        assert!(!path("a/b").collides_with(&path("a/c")));
    }

    proptest! {
        #[test]
        fn whatever_is_taken_has_only_plain_components(text in "[./a\\x00-\\x20é]{0,24}") {
            if let Ok(path) = text.parse::<RelativePath>() {
                for component in path.components() {
                    prop_assert!(!component.is_empty() && component != "." && component != "..");
                    prop_assert!(!component.contains('\0'));
                }
            }
        }
    }
}
