//! Where a federation's keys are: inline in its resource, or by OpenID Connect discovery at its `url`.
//!
//! Kubernetes serves both documents to `system:service-account-issuer-discovery`; the cluster must grant that role
//! to `system:unauthenticated`, or the resource carries its keys inline. The caller's own token is never sent.

use std::time::Duration;

use esi_resources::federation::KubernetesFederation;
use reqwest::{Certificate, Client, Url, redirect};
use serde::Deserialize;
use serde_json::Value;
use thiserror::Error;

/// For each of the two requests.
const TIMEOUT: Duration = Duration::from_secs(5);
/// Bytes of one document. A key set of 32 RSA keys has about 20 KiB.
const MAX_DOCUMENT_BYTES: usize = 256 * 1024;

/// Why there are no keys.
#[derive(Debug, Error)]
pub(super) enum DiscoveryError {
    /// The resource lacks what it needs.
    #[error("the KubernetesFederation needs {what}")]
    Incomplete { what: &'static str },
    /// Its `url` is no URL that may be asked.
    #[error("`{url}` cannot be asked: {problem}")]
    BadUrl { url: String, problem: &'static str },
    /// Its `caBundle` cannot be used.
    #[error("its caBundle has no usable certificate")]
    BadCa(#[source] reqwest::Error),
    /// No answer.
    #[error("cannot fetch {url}")]
    Fetch {
        url: String,
        #[source]
        source: reqwest::Error,
    },
    /// Not the answer of an issuer.
    #[error("the answer of {url} cannot be used: {problem}")]
    Answer { url: String, problem: String },
    /// The key set is unusable.
    #[error("the key set cannot be used: {problem}")]
    KeySet { problem: &'static str },
}

impl DiscoveryError {
    /// Whether the resource itself is at fault: asking again will not help.
    pub(super) fn is_of_the_resource(&self) -> bool {
        match self {
            Self::Incomplete { .. } | Self::BadUrl { .. } | Self::BadCa(_) => true,
            Self::Fetch { .. } | Self::Answer { .. } | Self::KeySet { .. } => false,
        }
    }
}

#[derive(Deserialize)]
struct Configuration {
    issuer: String,
    jwks_uri: String,
}

/// The issuer and the key set of a federation.
///
/// # Errors
/// See [`DiscoveryError`].
pub(super) async fn key_set(federation: &KubernetesFederation) -> Result<(String, Value), DiscoveryError> {
    if let Some(inline) = &federation.jwks {
        let issuer = federation.issuer.clone();
        let issuer = issuer.ok_or(DiscoveryError::Incomplete {
            what: "`issuer` beside an inline `jwks`",
        })?;
        return Ok((issuer, inline.clone()));
    }
    let text = federation.url.as_deref();
    let text = text.ok_or(DiscoveryError::Incomplete {
        what: "a `url`, or an inline `jwks` with `issuer`",
    })?;
    let base = https_url(text)?;
    let client = client(federation)?;
    let path = format!(
        "{}/.well-known/openid-configuration",
        base.path().trim_end_matches('/')
    );
    let configuration: Configuration = get(&client, with_path(&base, &path)).await?;
    if let Some(own) = &federation.issuer
        && *own != configuration.issuer
    {
        let problem = format!(
            "it says issuer `{}`, the KubernetesFederation says `{own}`",
            configuration.issuer
        );
        return Err(DiscoveryError::Answer {
            url: text.to_owned(),
            problem,
        });
    }
    // An API server often names an address of its own inside its network: only the path is taken, so that the
    // trust root stays the `url` and `caBundle` of the resource, and no answer can send the server elsewhere.
    let keys = Url::parse(&configuration.jwks_uri).map_err(|error| DiscoveryError::Answer {
        url: text.to_owned(),
        problem: format!("its jwks_uri is no URL: {error}"),
    })?;
    let document = get(&client, with_path(&base, keys.path())).await?;
    Ok((configuration.issuer, document))
}

fn https_url(text: &str) -> Result<Url, DiscoveryError> {
    let bad = |problem| DiscoveryError::BadUrl {
        url: text.to_owned(),
        problem,
    };
    let url = Url::parse(text).map_err(|_source| bad("it is no URL"))?;
    if url.scheme() == "https" {
        Ok(url)
    } else {
        Err(bad("only https is asked for keys"))
    }
}

fn with_path(base: &Url, path: &str) -> Url {
    let mut url = base.clone();
    url.set_path(path);
    url.set_query(None);
    url
}

fn client(federation: &KubernetesFederation) -> Result<Client, DiscoveryError> {
    let mut builder = Client::builder()
        .timeout(TIMEOUT)
        .redirect(redirect::Policy::none())
        .https_only(true);
    if let Some(pem) = &federation.ca_bundle {
        let roots = Certificate::from_pem_bundle(pem.as_bytes()).map_err(DiscoveryError::BadCa)?;
        builder = builder.tls_certs_only(roots);
    }
    builder.build().map_err(DiscoveryError::BadCa)
}

async fn get<T: for<'de> Deserialize<'de>>(client: &Client, url: Url) -> Result<T, DiscoveryError> {
    let failed = |source| DiscoveryError::Fetch {
        url: url.to_string(),
        source,
    };
    let unusable = |problem: String| DiscoveryError::Answer {
        url: url.to_string(),
        problem,
    };
    let mut response = client.get(url.clone()).send().await.map_err(failed)?;
    if !response.status().is_success() {
        return Err(unusable(format!("status {}", response.status())));
    }
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(failed)? {
        if body.len() + chunk.len() > MAX_DOCUMENT_BYTES {
            return Err(unusable(format!("it has more than {MAX_DOCUMENT_BYTES} bytes")));
        }
        body.extend_from_slice(&chunk);
    }
    serde_json::from_slice(&body).map_err(|error| unusable(error.to_string()))
}
