//! `Authorization` (`federation.external-secrets.io/v1alpha1`): which subject may use what.
//!
//! Reading is strict: a mistyped restriction must not be ignored, so an unknown field is refused.

use std::time::Duration;

use esi_core::names::{GeneratorRef, Kind, Namespace, ObjectName};
use esi_core::span;
use serde::Deserialize;

use crate::generator::{self, kind};

/// The API group and version of `Authorization`.
pub const API_VERSION: &str = "federation.external-secrets.io/v1alpha1";

/// Grants a subject of a federation the use of generators and stores. What is not listed is not granted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authorization {
    /// The object's name.
    pub name: ObjectName,
    /// Whose tokens the subject is taken from.
    pub federation: FederationRef,
    /// Who is granted it: equal to the verified token's subject, character for character.
    pub subject: Subject,
    /// The generators, with aliases of kinds already resolved ([`kind::normalise`]).
    pub allowed_generators: Vec<GeneratorRef>,
    /// The cluster secret stores, by name.
    pub allowed_cluster_secret_stores: Vec<String>,
    /// Read and without effect: leases are the server's own, not objects in a namespace.
    pub allowed_generator_states: Vec<Namespace>,
    /// Longest time to live of a lease granted by this (`spec.maxTTL`, an addition); the server's own where absent.
    pub max_ttl: Option<Duration>,
}

/// Names a federation.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FederationRef {
    /// Its kind, such as `KubernetesFederation`.
    pub kind: Kind,
    /// Its name.
    pub name: ObjectName,
}

/// Who is granted something.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Subject {
    /// The subject of a token.
    Oidc {
        /// The token's `iss`.
        issuer: String,
        /// The token's `sub`, such as `system:serviceaccount:demo:app`.
        subject: String,
    },
    /// The holder of an X.509 or JWT SVID.
    Spiffe {
        /// Such as `spiffe://example.org/shop`.
        spiffe_id: String,
    },
}

/// The `spec` as it is written. Each field checks itself, so that an error has its line.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Spec {
    federation_ref: FederationRef,
    subject: WrittenSubject,
    // The original's schema requires the three lists, its documentation calls them optional. `null` is no list.
    #[serde(default)]
    allowed_generators: Option<Vec<WrittenGenerator>>,
    #[serde(default)]
    allowed_cluster_secret_stores: Option<Vec<String>>,
    #[serde(default)]
    allowed_generator_states: Option<Vec<WrittenState>>,
    #[serde(default, rename = "maxTTL")]
    max_ttl: Option<WrittenTtl>,
}

impl Spec {
    pub(crate) fn named(self, name: ObjectName) -> Authorization {
        let generators = self.allowed_generators.unwrap_or_default();
        let states = self.allowed_generator_states.unwrap_or_default();
        Authorization {
            name,
            federation: self.federation_ref,
            subject: self.subject.0,
            allowed_generators: generators.into_iter().filter_map(|entry| entry.0).collect(),
            allowed_cluster_secret_stores: self.allowed_cluster_secret_stores.unwrap_or_default(),
            allowed_generator_states: states.into_iter().map(|state| state.namespace).collect(),
            max_ttl: self.max_ttl.map(|span| span.0),
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(try_from = "RawSubject")]
struct WrittenSubject(Subject);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawSubject {
    #[serde(default)]
    oidc: Option<RawOidc>,
    #[serde(default)]
    spiffe: Option<RawSpiffe>,
    /// The flat form of the original's older samples.
    #[serde(default)]
    issuer: Option<String>,
    #[serde(default)]
    subject: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawOidc {
    issuer: String,
    subject: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawSpiffe {
    #[serde(rename = "spiffeID")]
    spiffe_id: String,
}

impl TryFrom<RawSubject> for WrittenSubject {
    type Error = &'static str;

    fn try_from(raw: RawSubject) -> Result<Self, Self::Error> {
        let subject = match (raw.oidc, raw.spiffe, raw.issuer, raw.subject) {
            (Some(RawOidc { issuer, subject }), None, None, None)
            | (None, None, Some(issuer), Some(subject)) => Subject::Oidc { issuer, subject },
            (None, Some(RawSpiffe { spiffe_id }), None, None) => Subject::Spiffe { spiffe_id },
            _ => {
                return Err(
                    "subject: write exactly one of `oidc: {issuer, subject}` and `spiffe: {spiffeID}`",
                );
            }
        };
        match &subject {
            Subject::Oidc { issuer, subject } if issuer.is_empty() || subject.is_empty() => {
                Err("subject: issuer and subject must not be empty")
            }
            Subject::Spiffe { spiffe_id } if !spiffe_id.starts_with("spiffe://") => {
                Err("subject: a spiffeID starts with `spiffe://`")
            }
            _ => Ok(Self(subject)),
        }
    }
}

/// Empty for an object of no namespace (`ClusterGenerator`), which this version does not serve: grants nothing.
#[derive(Debug, Deserialize)]
#[serde(try_from = "RawGenerator")]
struct WrittenGenerator(Option<GeneratorRef>);

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct RawGenerator {
    name: ObjectName,
    kind: Kind,
    #[serde(default)]
    namespace: Option<Namespace>,
    #[serde(default)]
    api_version: Option<String>,
}

impl TryFrom<RawGenerator> for WrittenGenerator {
    type Error = String;

    fn try_from(raw: RawGenerator) -> Result<Self, String> {
        let RawGenerator {
            name,
            kind,
            namespace,
            api_version,
        } = raw;
        if api_version.is_some_and(|version| version != generator::API_VERSION) {
            return Err(format!(
                "allowedGenerators: the apiVersion of `{kind}/{name}` must be `{}`",
                generator::API_VERSION
            ));
        }
        match namespace {
            Some(namespace) => Ok(Self(Some(kind::normalise(GeneratorRef {
                kind,
                namespace,
                name,
            })))),
            None if kind::is_cluster_scoped(&kind) => Ok(Self(None)),
            None => Err(format!(
                "allowedGenerators: write the namespace of `{kind}/{name}`"
            )),
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenState {
    namespace: Namespace,
}

#[derive(Debug, Deserialize)]
#[serde(try_from = "String")]
struct WrittenTtl(Duration);

impl TryFrom<String> for WrittenTtl {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        match span::parse(&text) {
            Ok(span) if span.is_zero() => Err("maxTTL: write more than 0s".to_owned()),
            Ok(span) => Ok(Self(span)),
            Err(error) => Err(format!("maxTTL: {error}")),
        }
    }
}
