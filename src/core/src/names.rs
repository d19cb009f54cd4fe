//! Identifiers, valid by construction.
//!
//! Each type parses with [`str::parse`] and says in its error which rule a text breaks. The rules are those of
//! Kubernetes (RFC 1123 labels and subdomains) wherever the name is one of Kubernetes' own.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Why a text is not the identifier it should be.
#[derive(Debug, Error, Clone, PartialEq, Eq)]
#[error("`{text}` is no {what}: {rule}")]
pub struct NameError {
    what: &'static str,
    rule: &'static str,
    text: String,
}

impl NameError {
    /// For an identifier that is defined elsewhere: `text` is no `what`, because of `rule`.
    #[must_use]
    pub fn new(what: &'static str, rule: &'static str, text: &str) -> Self {
        // Hostile input is cut and its control characters are escaped: the error goes into logs.
        let text = text.chars().take(64).flat_map(char::escape_debug).collect();
        Self { what, rule, text }
    }
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $what:literal, $check:path, $rule:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// The text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = NameError;

            fn from_str(text: &str) -> Result<Self, NameError> {
                if $check(text) { Ok(Self(text.to_owned())) } else { Err(NameError::new($what, $rule, text)) }
            }
        }

        impl TryFrom<String> for $name {
            type Error = NameError;

            fn try_from(text: String) -> Result<Self, NameError> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

name!(
    /// The name of a binding, unique in its pod. At most 59 characters, so that `esi-<binding>` is a volume name.
    BindingName,
    "binding name",
    is_binding,
    "use 1 to 59 lower-case letters, digits and `-`, starting and ending with a letter or digit"
);
name!(
    /// The name by which a plan speaks of a federation server.
    ServerName,
    "server name",
    is_label,
    "use 1 to 63 lower-case letters, digits and `-`, starting and ending with a letter or digit"
);
name!(
    /// A Kubernetes namespace.
    Namespace,
    "namespace",
    is_label,
    "use 1 to 63 lower-case letters, digits and `-`, starting and ending with a letter or digit"
);
name!(
    /// The name of a Kubernetes object (an RFC 1123 subdomain).
    ObjectName,
    "object name",
    is_subdomain,
    "use 1 to 253 lower-case letters, digits, `-` and `.`; each part between dots starts and ends with a letter or digit"
);
name!(
    /// The name of a container of a pod.
    ContainerName,
    "container name",
    is_label,
    "use 1 to 63 lower-case letters, digits and `-`, starting and ending with a letter or digit"
);
name!(
    /// The kind of a Kubernetes object, such as `PostgreSQL`.
    Kind,
    "kind",
    is_kind,
    "use 1 to 63 letters and digits, starting with an upper-case letter"
);
name!(
    /// The UID that Kubernetes gave an object: opaque, but bounded.
    Uid,
    "UID",
    is_uid,
    "use 1 to 128 letters, digits, `-`, `_` and `.`"
);
name!(
    /// What a workload that is no pod calls its own running instance, in the pod UID's place.
    ClientInstance,
    "client instance id",
    is_uid,
    "use 1 to 128 letters, digits, `-`, `_` and `.`"
);

/// Names one generator: kind, namespace and name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GeneratorRef {
    /// Its kind.
    pub kind: Kind,
    /// Its namespace.
    pub namespace: Namespace,
    /// Its name.
    pub name: ObjectName,
}

impl fmt::Display for GeneratorRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.kind, self.namespace, self.name)
    }
}

impl FromStr for GeneratorRef {
    type Err = NameError;

    /// Reads `Kind/namespace/name`.
    fn from_str(text: &str) -> Result<Self, NameError> {
        let mut parts = text.split('/');
        let (Some(kind), Some(namespace), Some(name), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(NameError::new(
                "generator reference",
                "write Kind/namespace/name",
                text,
            ));
        };
        Ok(Self {
            kind: kind.parse()?,
            namespace: namespace.parse()?,
            name: name.parse()?,
        })
    }
}

fn is_edge(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit()
}

fn is_label(text: &str) -> bool {
    text.len() <= 63 && is_part(text)
}

fn is_part(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.first().copied().is_some_and(is_edge)
        && bytes.last().copied().is_some_and(is_edge)
        && bytes.iter().all(|&byte| is_edge(byte) || byte == b'-')
}

fn is_binding(text: &str) -> bool {
    text.len() <= 59 && is_label(text)
}

/// Kubernetes bounds the whole and not the parts between dots: a service account of 100 letters is one.
fn is_subdomain(text: &str) -> bool {
    text.len() <= 253 && text.split('.').all(is_part)
}

fn is_kind(text: &str) -> bool {
    text.len() <= 63
        && text.bytes().next().is_some_and(|byte| byte.is_ascii_uppercase())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

fn is_uid(text: &str) -> bool {
    (1..=128).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_binding_leaves_room_for_its_volume_prefix() {
        assert!("a".repeat(59).parse::<BindingName>().is_ok());
        assert!("a".repeat(60).parse::<BindingName>().is_err());
    }

    #[test]
    fn names_follow_the_rules_of_kubernetes() {
        assert!("web-1".parse::<Namespace>().is_ok());
        for bad in ["", "-a", "a-", "A", "a_b", "a.b", "é"] {
            assert!(bad.parse::<Namespace>().is_err(), "{bad:?} was taken");
        }
        assert!("a.b-c.d".parse::<ObjectName>().is_ok());
        assert!("a..b".parse::<ObjectName>().is_err());
        assert!("a".repeat(253).parse::<ObjectName>().is_ok());
        assert!("a".repeat(254).parse::<ObjectName>().is_err());
        assert!("a".repeat(64).parse::<Namespace>().is_err());
        assert!("PostgreSQL".parse::<Kind>().is_ok());
        assert!("postgres".parse::<Kind>().is_err());
    }

    #[test]
    fn a_generator_reference_reads_and_writes_the_same_text() {
        let reference: GeneratorRef = "PostgreSQL/platform/shop".parse().unwrap();
        assert_eq!(reference.to_string(), "PostgreSQL/platform/shop");
        assert!("PostgreSQL/shop".parse::<GeneratorRef>().is_err());
        assert!("PostgreSQL/a/b/c".parse::<GeneratorRef>().is_err());
    }

    #[test]
    fn an_error_shows_hostile_text_cut_and_escaped() {
        let text = NameError::new("x", "y", &"\n".repeat(1000)).to_string();
        assert!(!text.contains('\n') && text.len() < 200, "{text}");
    }

    #[test]
    fn a_container_name_is_a_label() {
        assert!("app-1".parse::<ContainerName>().is_ok());
        let error = "App\n".parse::<ContainerName>().unwrap_err().to_string();
        assert!(
            error.contains("container name") && !error.contains('\n'),
            "{error}"
        );
    }
}
