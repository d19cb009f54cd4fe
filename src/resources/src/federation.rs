//! `KubernetesFederation` (`identity.federation.external-secrets.io/v1alpha1`, and under the older group
//! `federation.external-secrets.io`): a cluster whose service account tokens are believed.
//!
//! Only `url` is the original's; the other fields are additions. Reading is strict: an unknown field is refused.

use esi_core::names::{NameError, Namespace, ObjectName};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde_json::Value;

use crate::crd::words;
use crate::{jwk, pem};

/// The API group and version of `KubernetesFederation`.
pub const API_VERSION: &str = "identity.federation.external-secrets.io/v1alpha1";

/// A cluster whose tokens are believed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KubernetesFederation {
    /// The object's name: what authorizations and plans call the cluster.
    pub name: ObjectName,
    /// Where discovery starts (`https`); there unless `jwks` is.
    pub url: Option<String>,
    /// CA certificates for `url`, in PEM; the system's where absent.
    pub ca_bundle: Option<String>,
    /// What `iss` must be; the discovery document's where absent.
    pub issuer: Option<String>,
    /// What `aud` must contain one of; the server's own name where empty.
    pub audiences: Vec<String>,
    /// The keys themselves (RFC 7517), in discovery's place; then `issuer` is there too.
    pub jwks: Option<Value>,
    /// The service accounts of the cluster's node daemons.
    pub node_agents: Vec<NodeAgent>,
}

/// A service account that acts for the pods of its own node, written as `namespace/name`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct NodeAgent {
    /// Its namespace.
    pub namespace: Namespace,
    /// Its name.
    pub name: ObjectName,
}

impl TryFrom<String> for NodeAgent {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let (namespace, name) = text
            .split_once('/')
            .ok_or("nodeAgents: write a service account as `namespace/name`")?;
        let wrong = |error: NameError| format!("nodeAgents: {error}");
        Ok(Self {
            namespace: namespace.parse().map_err(wrong)?,
            name: name.parse().map_err(wrong)?,
        })
    }
}

/// Most service accounts of node daemons: a cluster has one, and a second one while it changes.
pub const MAX_NODE_AGENTS: usize = 16;

/// The `spec` as it is written. Each field checks itself, so that an error has its line.
#[derive(Debug, Deserialize)]
#[serde(try_from = "Raw")]
pub(crate) struct Spec(Raw);

impl Spec {
    pub(crate) fn named(self, name: ObjectName) -> KubernetesFederation {
        let raw = self.0;
        let audiences = raw.audiences.unwrap_or_default();
        KubernetesFederation {
            name,
            url: raw.url.map(|url| url.0),
            ca_bundle: raw.ca_bundle.map(|bundle| bundle.0),
            issuer: raw.issuer.map(|issuer| issuer.0),
            audiences: audiences.into_iter().map(|audience| audience.0).collect(),
            jwks: raw.jwks.map(|jwks| jwks.0),
            node_agents: raw.node_agents.unwrap_or_default(),
        }
    }
}

/// Where the cluster's keys are, and which of its tokens are believed.
// Before the fields are checked against each other.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Raw {
    /// Where discovery starts (`https`); required unless `jwks` is there.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    url: Option<Url>,
    /// CA certificates for `url`, in PEM or base64 of PEM; the system's where absent.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    ca_bundle: Option<Bundle>,
    /// What a token's `iss` must be; the discovery document's where absent.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    issuer: Option<NotEmpty>,
    /// What a token's `aud` must contain one of; the server's own name where absent.
    #[serde(default)]
    #[schemars(with = "Option<Vec<String>>")]
    audiences: Option<Vec<NotEmpty>>,
    /// The keys themselves (RFC 7517), in discovery's place; `issuer` is required beside it.
    #[serde(default)]
    #[schemars(schema_with = "words::any_object")]
    jwks: Option<Jwks>,
    /// The service accounts of the cluster's node daemons, each as `namespace/name`. A daemon acts only for the pods
    /// of the node that its own pod's token names.
    #[serde(default)]
    #[schemars(schema_with = "node_agents")]
    node_agents: Option<Vec<NodeAgent>>,
}

fn node_agents(generator: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array",
        "maxItems": MAX_NODE_AGENTS,
        "items": words::service_account(generator),
        "x-kubernetes-list-type": "set",
    })
}

impl TryFrom<Raw> for Spec {
    type Error = &'static str;

    fn try_from(raw: Raw) -> Result<Self, Self::Error> {
        match (&raw.url, &raw.jwks) {
            (None, None) => Err("write `url` (where discovery starts) or `jwks` (the keys)"),
            (_, Some(_)) if raw.issuer.is_none() => {
                Err("issuer: write it where `jwks` takes the place of `url`")
            }
            _ if raw.node_agents.as_ref().map_or(0, Vec::len) > MAX_NODE_AGENTS => {
                Err("nodeAgents: write 16 at most")
            }
            _ => Ok(Self(raw)),
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(try_from = "String")]
struct Url(String);

impl TryFrom<String> for Url {
    type Error = &'static str;

    fn try_from(url: String) -> Result<Self, Self::Error> {
        // Without TLS, whoever answers in the cluster's place would choose whose tokens are believed.
        match url.strip_prefix("https://") {
            Some(rest) if !rest.is_empty() => Ok(Self(url)),
            _ => Err("url: write a URL that starts with `https://`"),
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(try_from = "String")]
struct Bundle(String);

impl TryFrom<String> for Bundle {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        pem::read(&text).map(Self)
    }
}

#[derive(Debug, Deserialize)]
#[serde(try_from = "String")]
struct NotEmpty(String);

impl TryFrom<String> for NotEmpty {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        if text.is_empty() {
            Err("an empty text would match nothing: leave it out")
        } else {
            Ok(Self(text))
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(try_from = "Value")]
struct Jwks(Value);

impl TryFrom<Value> for Jwks {
    type Error = String;

    fn try_from(jwks: Value) -> Result<Self, Self::Error> {
        match jwk::check_set(&jwks) {
            Ok(()) => Ok(Self(jwks)),
            Err(problem) => Err(format!("jwks: {problem}")),
        }
    }
}
