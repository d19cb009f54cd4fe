//! Versions of Kubernetes, as clusters, kubelets and people write them.

use std::fmt;
use std::str::FromStr;

/// A version of Kubernetes, as far as features depend on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Kubernetes {
    /// The first number.
    pub major: u32,
    /// The second one.
    pub minor: u32,
}

impl Kubernetes {
    /// The first whose API server and kubelet have env files without a feature gate (KEP-3721).
    pub const WITH_ENV_FILES: Self = Self { major: 1, minor: 35 };
    /// The first whose API server has container restart rules without a feature gate (KEP-5307).
    pub const WITH_RESTART_RULES: Self = Self { major: 1, minor: 35 };
}

impl FromStr for Kubernetes {
    type Err = String;

    /// Reads `1.37`, `v1.35.2-gke.3`, `1.37+` and the like.
    fn from_str(text: &str) -> Result<Self, String> {
        let read = || {
            let (major, rest) = number(text.strip_prefix('v').unwrap_or(text))?;
            let (minor, rest) = number(rest.strip_prefix('.')?)?;
            (rest.is_empty() || rest.starts_with(['.', '+', '-'])).then_some(Self { major, minor })
        };
        read().ok_or_else(|| "write a version such as 1.36".to_owned())
    }
}

/// The number that a text begins with, and what follows it.
fn number(text: &str) -> Option<(u32, &str)> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, rest) = text.split_at_checked(digits)?;
    Some((number.parse().ok()?, rest))
}

impl fmt::Display for Kubernetes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_distributions_append_is_passed_over() {
        for (text, minor) in [
            ("1.37", 37),
            ("v1.37.2", 37),
            ("v1.35.2-gke.3", 35),
            ("v1.34.1+k3s1", 34),
            ("v1.36.0-eks-1a2b3c", 36),
            ("1.37+", 37),
        ] {
            assert_eq!(text.parse(), Ok(Kubernetes { major: 1, minor }), "{text}");
        }
    }

    #[test]
    fn what_is_no_version_is_refused() {
        for text in [
            "",
            "v",
            "1",
            "1.",
            "v1.x",
            "1.3six",
            "one.two",
            "1.99999999999",
            "-1.37",
        ] {
            assert!(text.parse::<Kubernetes>().is_err(), "{text}");
        }
    }

    #[test]
    fn versions_are_ordered_by_number() {
        let version = |text: &str| text.parse::<Kubernetes>().unwrap();
        assert!(version("1.9") < version("1.35") && version("1.35") < version("2.0"));
    }
}
