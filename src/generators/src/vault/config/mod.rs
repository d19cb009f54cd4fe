//! From the manifest to a generator; everything that can be wrong with it is found here, by field.

use std::collections::BTreeMap;
use std::sync::Arc;

use data_encoding::BASE64_MIME_PERMISSIVE as BASE64;
use esi_core::SecretBytes;
use esi_resources::generator::{
    CA_KEY, VaultAppRole, VaultAuth, VaultDynamicSecretSpec, VaultJwt, VaultKubernetes, VaultProvider,
};
use http::{HeaderMap, HeaderName, HeaderValue};
use reqwest::Url;
use thiserror::Error;

use super::VaultDynamicSecret;
use super::api::{AnyPath, Clients, Token, Trust, VaultApi, Verb};
use super::login::{FIELD, Login, ROLE_FIELD};
use crate::build::BuildContext;
use crate::error::GeneratorError;

/// What is wrong with a manifest. Quotes no Secret.
#[derive(Debug, Error)]
enum Problem {
    #[error("write a URL such as https://vault.example:8200, without user, query and fragment")]
    Server,
    #[error("write at least a mount, such as database/creds/shop")]
    Path,
    #[error("`{0}` is no header name, or is one that the server sets itself")]
    HeaderName(String),
    #[error("the value of `{0}` is no header value")]
    HeaderValue(String),
    #[error("write a namespace such as team1 or team1/sub")]
    Namespace,
    #[error("write exactly one of tokenSecretRef, appRole, kubernetes and jwt")]
    OneMethod,
    #[error("a token role goes with tokenSecretRef only: every other method logs in once per lease")]
    RoleWithoutToken,
    #[error("write exactly one of {0}")]
    OneOf(&'static str),
    #[error(
        "this server asks no cluster for service account tokens: put the token into a Secret and name it in secretRef"
    )]
    ServiceAccount,
    #[error("the Secret's value is empty or no text")]
    NoText,
    #[error("the Secret's value is no token")]
    NoToken,
    #[error("write base64 of PEM, or PEM")]
    Base64,
    #[error("only `Secret` is read here, not `{0}`")]
    CaKind(String),
    #[error("the parameters are no JSON that can be sent")]
    Parameters,
}

fn wrong(field: &'static str, problem: Problem) -> GeneratorError {
    GeneratorError::Misconfigured {
        field,
        problem: Box::new(problem),
    }
}

impl VaultDynamicSecret {
    /// Reads the manifest and the Secrets that it refers to; asks nothing of Vault.
    ///
    /// # Errors
    /// [`GeneratorError::Misconfigured`] and [`GeneratorError::SecretMissing`], with the field.
    pub(crate) fn new(
        spec: &VaultDynamicSecretSpec,
        cx: &BuildContext<'_>,
        clients: &Clients,
    ) -> Result<Self, GeneratorError> {
        let provider = &spec.provider;
        let server = server(&provider.server)?;
        let trust = trust(provider, &server, cx)?;
        let http = clients
            .get(&trust)
            .map_err(|problem| GeneratorError::Misconfigured {
                field: "spec.provider.caBundle",
                problem: Box::new(problem),
            })?;
        let auth = provider
            .auth
            .as_ref()
            .ok_or_else(|| wrong(FIELD, Problem::OneMethod))?;
        let namespace = namespace("spec.provider.namespace", provider.namespace.as_deref())?;
        let auth_namespace = match auth.namespace.as_deref() {
            Some(own) => self::namespace("spec.provider.auth.namespace", Some(own))?,
            None => namespace.clone(),
        };
        Ok(Self {
            api: VaultApi {
                http,
                server: server.as_str().trim_end_matches('/').to_owned(),
                namespace,
                auth_namespace,
                headers: headers(provider)?,
            },
            login: login(auth, cx)?,
            request: request(spec, &server)?,
            section: spec.result_type,
            allow_empty: spec.allow_empty_response,
            checkpoint: Arc::clone(cx.checkpoint),
        })
    }
}

fn server(text: &str) -> Result<Url, GeneratorError> {
    Url::parse(text.trim())
        .ok()
        .filter(|url| {
            matches!(url.scheme(), "http" | "https")
                && url.has_host()
                && url.username().is_empty()
                && url.password().is_none()
                && url.query().is_none()
                && url.fragment().is_none()
        })
        .ok_or_else(|| wrong("spec.provider.server", Problem::Server))
}

fn trust(provider: &VaultProvider, server: &Url, cx: &BuildContext<'_>) -> Result<Trust, GeneratorError> {
    if server.scheme() == "http" {
        return Ok(Trust::Plain);
    }
    if let Some(bundle) = provider
        .ca_bundle
        .as_deref()
        .filter(|bundle| !bundle.trim().is_empty())
    {
        return Ok(Trust::Pem(pem(bundle)?));
    }
    let Some(source) = &provider.ca_provider else {
        return Ok(Trust::System);
    };
    let field = "spec.provider.caProvider";
    if source.kind != "Secret" {
        return Err(wrong(field, Problem::CaKind(source.kind.clone())));
    }
    let key = source.key.as_deref().unwrap_or(CA_KEY);
    let value = cx.secret_at(field, source.namespace.as_deref(), &source.name, key)?;
    Ok(Trust::Pem(value.expose().to_vec()))
}

/// External Secrets Operator's field is bytes, so base64 in YAML; people paste PEM.
fn pem(bundle: &str) -> Result<Vec<u8>, GeneratorError> {
    if bundle.contains("-----BEGIN") {
        return Ok(bundle.as_bytes().to_vec());
    }
    BASE64
        .decode(bundle.as_bytes())
        .map_err(|_source| wrong("spec.provider.caBundle", Problem::Base64))
}

fn namespace(field: &'static str, text: Option<&str>) -> Result<Option<String>, GeneratorError> {
    let Some(text) = text
        .map(|text| text.trim_matches('/'))
        .filter(|text| !text.is_empty())
    else {
        return Ok(None);
    };
    if text.chars().all(|c| c.is_ascii_graphic()) {
        Ok(Some(text.to_owned()))
    } else {
        Err(wrong(field, Problem::Namespace))
    }
}

fn headers(provider: &VaultProvider) -> Result<HeaderMap, GeneratorError> {
    const FIELD: &str = "spec.provider.headers";
    /// Who we are, where to, and how much follows.
    const OURS: [&str; 6] = [
        "x-vault-token",
        "x-vault-namespace",
        "x-vault-request",
        "x-vault-wrap-ttl",
        "host",
        "content-length",
    ];
    let mut headers = HeaderMap::new();
    for (name, value) in &provider.headers {
        let header = name
            .parse::<HeaderName>()
            .ok()
            .filter(|header| !OURS.contains(&header.as_str()))
            .ok_or_else(|| wrong(FIELD, Problem::HeaderName(name.clone())))?;
        let mut value = value
            .parse::<HeaderValue>()
            .map_err(|_source| wrong(FIELD, Problem::HeaderValue(name.clone())))?;
        // People put credentials of proxies here.
        value.set_sensitive(true);
        headers.insert(header, value);
    }
    Ok(headers)
}

fn request(spec: &VaultDynamicSecretSpec, server: &Url) -> Result<AnyPath, GeneratorError> {
    let path = spec.path.trim_matches('/');
    // An empty component, `.` and `..` would be dropped from the URL, and another path called.
    if path.split('/').any(|part| matches!(part, "" | "." | "..")) {
        return Err(wrong("spec.path", Problem::Path));
    }
    let verb = match spec.method.as_deref().map(str::to_ascii_uppercase).as_deref() {
        None | Some("" | "GET") => Verb::Get,
        Some("LIST") => Verb::List,
        Some("DELETE") => Verb::Delete,
        Some(_) => Verb::Write,
    };
    let body = match (&spec.parameters, verb) {
        (Some(parameters), Verb::Write) => Some(
            serde_json::to_vec(parameters)
                .map_err(|_source| wrong("spec.parameters", Problem::Parameters))?,
        ),
        _ => None,
    };
    let query = match verb {
        Verb::Write => None,
        _ => query(&spec.get_parameters, server.clone()),
    };
    Ok(AnyPath {
        verb,
        path: path.to_owned(),
        query,
        body,
    })
}

/// The pairs as a query; `url` is any, and lends its encoder.
fn query(parameters: &BTreeMap<String, Vec<String>>, mut url: Url) -> Option<String> {
    let pairs = parameters
        .iter()
        .flat_map(|(name, values)| values.iter().map(move |value| (name, value)));
    url.query_pairs_mut().extend_pairs(pairs);
    url.query().filter(|query| !query.is_empty()).map(str::to_owned)
}

fn login(auth: &VaultAuth, cx: &BuildContext<'_>) -> Result<Login, GeneratorError> {
    let role = cx.annotation("vault-token-role").map(str::trim);
    if role.is_some() && auth.token_secret_ref.is_none() {
        return Err(wrong(ROLE_FIELD, Problem::RoleWithoutToken));
    }
    match (
        &auth.token_secret_ref,
        &auth.app_role,
        &auth.kubernetes,
        &auth.jwt,
    ) {
        (Some(reference), None, None, None) => {
            let field = "spec.provider.auth.tokenSecretRef";
            let token = Token::new(&cx.secret(field, reference)?)
                .map_err(|_source| wrong(field, Problem::NoToken))?;
            Ok(Login::Token {
                token,
                role: role.map(str::to_owned),
            })
        }
        (None, Some(app_role), None, None) => approle(app_role, cx),
        (None, None, Some(kubernetes), None) => self::kubernetes(kubernetes, cx),
        (None, None, None, Some(jwt)) => self::jwt(jwt, cx),
        _ => Err(wrong(FIELD, Problem::OneMethod)),
    }
}

fn approle(spec: &VaultAppRole, cx: &BuildContext<'_>) -> Result<Login, GeneratorError> {
    let role_id = match (&spec.role_id, &spec.role_ref) {
        (Some(id), None) => SecretBytes::from(id.trim()),
        (None, Some(reference)) => {
            let field = "spec.provider.auth.appRole.roleRef";
            text(field, &cx.secret(field, reference)?)?
        }
        _ => {
            return Err(wrong(
                "spec.provider.auth.appRole",
                Problem::OneOf("roleId and roleRef"),
            ));
        }
    };
    let field = "spec.provider.auth.appRole.secretRef";
    Ok(Login::AppRole {
        mount: mount(&spec.path),
        role_id,
        secret_id: text(field, &cx.secret(field, &spec.secret_ref)?)?,
    })
}

fn kubernetes(spec: &VaultKubernetes, cx: &BuildContext<'_>) -> Result<Login, GeneratorError> {
    let field = "spec.provider.auth.kubernetes.secretRef";
    let Some(reference) = &spec.secret_ref else {
        return Err(wrong(
            "spec.provider.auth.kubernetes.serviceAccountRef",
            Problem::ServiceAccount,
        ));
    };
    Ok(Login::Kubernetes {
        mount: mount(&spec.mount_path),
        role: spec.role.clone(),
        jwt: text(field, &cx.secret(field, reference)?)?,
    })
}

fn jwt(spec: &VaultJwt, cx: &BuildContext<'_>) -> Result<Login, GeneratorError> {
    let field = "spec.provider.auth.jwt.secretRef";
    let Some(reference) = &spec.secret_ref else {
        return Err(wrong(
            "spec.provider.auth.jwt.kubernetesServiceAccountToken",
            Problem::ServiceAccount,
        ));
    };
    Ok(Login::Jwt {
        mount: mount(&spec.path),
        role: spec.role.clone(),
        jwt: text(field, &cx.secret(field, reference)?)?,
    })
}

/// Vault's own tools take `auth/approle`, `approle/` and `approle`.
fn mount(path: &str) -> String {
    let path = path.trim_matches('/');
    path.strip_prefix("auth/").unwrap_or(path).to_owned()
}

/// A Secret's value as text, without the white space around it.
fn text(field: &'static str, value: &SecretBytes) -> Result<SecretBytes, GeneratorError> {
    match value.expose_str() {
        Ok(text) if !text.trim().is_empty() => Ok(SecretBytes::from(text.trim())),
        _ => Err(wrong(field, Problem::NoText)),
    }
}

#[cfg(test)]
mod tests;
