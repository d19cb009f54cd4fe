//! `Authorization` (`federation.external-secrets.io/v1alpha1`): which subject may use what.
//!
//! Reading is strict: a mistyped restriction must not be ignored, so an unknown field is refused.

use std::time::Duration;

use esi_core::names::{GeneratorRef, Kind, Namespace, ObjectName};
use esi_core::span;
use schemars::JsonSchema;
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
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FederationRef {
    /// Its kind, such as `KubernetesFederation`.
    #[schemars(with = "String")]
    pub kind: Kind,
    /// Its name.
    #[schemars(with = "String")]
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

/// Who may use what.
// As it is written. Each field checks itself, so that an error has its line.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Spec {
    /// Whose tokens the subject is taken from.
    federation_ref: FederationRef,
    /// Who is granted it: exactly one of `oidc` and `spiffe`, equal to the verified token's, character for
    /// character.
    #[schemars(with = "RawSubject")]
    subject: WrittenSubject,
    // The original's schema requires the three lists, its documentation calls them optional. `null` is no list.
    /// The generators that may be used.
    #[serde(default)]
    #[schemars(with = "Option<Vec<RawGenerator>>")]
    allowed_generators: Option<Vec<WrittenGenerator>>,
    /// The cluster secret stores that may be used, by name.
    #[serde(default)]
    allowed_cluster_secret_stores: Option<Vec<String>>,
    /// Read and without effect.
    #[serde(default)]
    allowed_generator_states: Option<Vec<WrittenState>>,
    /// Longest time to live of a lease granted by this, such as `8h`; the server's own where absent.
    #[serde(default, rename = "maxTTL")]
    #[schemars(with = "Option<String>")]
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

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct RawSubject {
    /// The subject of a token.
    #[serde(default)]
    oidc: Option<RawOidc>,
    /// The holder of an X.509 or JWT SVID.
    #[serde(default)]
    spiffe: Option<RawSpiffe>,
    /// The flat form of the original's older samples: write `oidc`.
    #[serde(default)]
    issuer: Option<String>,
    /// The flat form of the original's older samples: write `oidc`.
    #[serde(default)]
    subject: Option<String>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct RawOidc {
    /// The token's `iss`.
    issuer: String,
    /// The token's `sub`, such as `system:serviceaccount:demo:app`.
    subject: String,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct RawSpiffe {
    /// Such as `spiffe://example.org/shop`.
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

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct RawGenerator {
    /// Its name.
    #[schemars(with = "String")]
    name: ObjectName,
    /// Its kind, such as `PostgreSQL`.
    #[schemars(with = "String")]
    kind: Kind,
    /// Its namespace.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    namespace: Option<Namespace>,
    /// `generators.external-secrets.io/v1alpha1`, also where absent.
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

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct WrittenState {
    /// A namespace.
    #[schemars(with = "String")]
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
