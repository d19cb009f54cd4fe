//! Between messages and core types.

use std::time::Duration;

use esi_core::names::{GeneratorRef, NameError};
use esi_core::plan::{SecretRef, Source};
use esi_core::{Classify, Code, Credential, Ends, Retry, SecretBytes};
use thiserror::Error;

use crate::v1;

/// Why a message is refused.
#[derive(Debug, Error)]
#[error("{field}: {problem}")]
pub struct FieldError {
    /// Which field.
    pub field: &'static str,
    /// What is wrong and what to write.
    pub problem: String,
}

impl FieldError {
    /// A problem with `field`.
    pub fn new(field: &'static str, problem: impl Into<String>) -> Self {
        Self {
            field,
            problem: problem.into(),
        }
    }

    /// A field that is no valid name.
    pub fn name(field: &'static str) -> impl FnOnce(NameError) -> Self {
        move |error| Self::new(field, error.to_string())
    }
}

impl Classify for FieldError {
    fn code(&self) -> Code {
        Code::InvalidArgument
    }

    fn retry(&self) -> Retry {
        Retry::Never
    }

    fn kind(&self) -> &'static str {
        "bad_request"
    }
}

impl TryFrom<v1::issue_request::Source> for SourceField {
    type Error = FieldError;

    fn try_from(source: v1::issue_request::Source) -> Result<Self, FieldError> {
        match source {
            v1::issue_request::Source::Generator(v1::GeneratorRef {
                kind,
                namespace,
                name,
            }) => Ok(Self(Source::Generator(GeneratorRef {
                kind: kind.parse().map_err(FieldError::name("generator.kind"))?,
                namespace: namespace
                    .parse()
                    .map_err(FieldError::name("generator.namespace"))?,
                name: name.parse().map_err(FieldError::name("generator.name"))?,
            }))),
            v1::issue_request::Source::Secret(v1::SecretRef {
                store_kind,
                store,
                key,
            }) => Ok(Self(Source::Secret(SecretRef {
                store_kind: store_kind
                    .parse()
                    .map_err(FieldError::name("secret.store_kind"))?,
                store: store.parse().map_err(FieldError::name("secret.store"))?,
                key,
            }))),
        }
    }
}

/// A [`Source`] that came over the wire.
#[derive(Debug)]
pub struct SourceField(pub Source);

impl From<&Source> for v1::issue_request::Source {
    fn from(source: &Source) -> Self {
        match source {
            Source::Generator(GeneratorRef {
                kind,
                namespace,
                name,
            }) => Self::Generator(v1::GeneratorRef {
                kind: kind.to_string(),
                namespace: namespace.to_string(),
                name: name.to_string(),
            }),
            Source::Secret(SecretRef {
                store_kind,
                store,
                key,
            }) => Self::Secret(v1::SecretRef {
                store_kind: store_kind.to_string(),
                store: store.to_string(),
                key: key.clone(),
            }),
        }
    }
}

impl From<Ends> for v1::Ends {
    fn from(ends: Ends) -> Self {
        match ends {
            Ends::AtOnce => Self::AtOnce,
            Ends::AtExpiry => Self::AtExpiry,
        }
    }
}

/// A duration for the wire.
#[must_use]
pub fn to_wire(span: Duration) -> prost_types::Duration {
    prost_types::Duration {
        seconds: i64::try_from(span.as_secs()).unwrap_or(i64::MAX),
        nanos: i32::try_from(span.subsec_nanos()).unwrap_or(0),
    }
}

/// A duration from the wire.
///
/// # Errors
/// If it is negative.
pub fn from_wire(field: &'static str, span: prost_types::Duration) -> Result<Duration, FieldError> {
    Duration::try_from(span).map_err(|_source| FieldError::new(field, "it is negative or out of range"))
}

/// The values for the wire. They leave [`SecretBytes`] here, and only for the transport.
#[must_use]
pub fn credential_to_wire(credential: Credential) -> std::collections::HashMap<String, Vec<u8>> {
    credential
        .into_iter()
        .map(|(key, value)| (key, value.into_exposed()))
        .collect()
}

/// The values from the wire, which become [`SecretBytes`] here.
///
/// # Errors
/// If they are out of a credential's bounds.
pub fn credential_from_wire(
    data: std::collections::HashMap<String, Vec<u8>>,
) -> Result<Credential, esi_core::credential::CredentialError> {
    Credential::new(
        data.into_iter()
            .map(|(key, value)| (key, SecretBytes::new(value)))
            .collect(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_response_prints_its_keys_and_no_value() {
        let response = v1::IssueResponse {
            data: std::collections::HashMap::from([("password".to_owned(), b"hunter2".to_vec())]),
            lease: None,
        };
        let text = format!("{response:?}");
        assert!(
            text.contains("password") && !text.contains("hunter2") && !text.contains("104"),
            "{text}"
        );
    }

    #[test]
    fn a_source_goes_over_the_wire_and_back() {
        let source = Source::Generator("Fake/a/b".parse().unwrap());
        let SourceField(back) = v1::issue_request::Source::from(&source).try_into().unwrap();
        assert_eq!(back, source);
    }

    #[test]
    fn a_bad_name_is_refused_with_its_field() {
        let source = v1::issue_request::Source::Generator(v1::GeneratorRef {
            kind: "Fake".to_owned(),
            namespace: "../x".to_owned(),
            name: "n".to_owned(),
        });
        let error = SourceField::try_from(source).unwrap_err();
        assert_eq!(error.field, "generator.namespace");
    }

    #[test]
    fn a_negative_duration_is_refused() {
        assert!(
            from_wire(
                "ttl",
                prost_types::Duration {
                    seconds: -1,
                    nanos: 0
                }
            )
            .is_err()
        );
        assert_eq!(
            from_wire("ttl", to_wire(Duration::from_millis(1500))).unwrap(),
            Duration::from_millis(1500)
        );
    }
}
