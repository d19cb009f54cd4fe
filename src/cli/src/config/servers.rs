//! The servers: where they are, and by what they are recognised.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use esi_core::names::ServerName;
use serde::Deserialize;
use tonic::transport::Uri;

use super::error::ConfigError;
use super::read::read_bounded;
use super::settings::{Setting, Settings};
use crate::args::Flag;

/// Most bytes of a CA bundle: a few hundred certificates.
const MAX_CA_BYTES: usize = 1024 * 1024;
/// Most bytes of the description of all servers, CAs included.
const MAX_SERVERS_BYTES: usize = 2 * MAX_CA_BYTES;
/// How a certificate begins in PEM (RFC 7468).
const PEM_BEGIN: &[u8] = b"-----BEGIN CERTIFICATE-----";

/// A server that a plan may name.
#[derive(Debug, Clone)]
pub(crate) struct Server {
    /// Which it is.
    pub(crate) at: ServerAt,
    /// The only certificates that its own is checked against, in PEM.
    pub(crate) ca: Vec<u8>,
    /// Whom a token must be for, to be shown to it.
    pub(crate) audience: Option<String>,
    /// The token to show it.
    pub(crate) token_file: PathBuf,
}

/// A server's name and place. Displays as both: whoever reads of a failure looks for the place.
#[derive(Debug, Clone)]
pub(crate) struct ServerAt {
    /// How plans call it.
    pub(crate) name: ServerName,
    /// `https`, a host, and nothing after the port.
    pub(crate) url: Uri,
}

impl fmt::Display for ServerAt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, url } = self;
        write!(f, "`{name}` at {}", url.to_string().trim_end_matches('/'))
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct RawServer {
    url: String,
    ca: Option<String>,
    #[serde(alias = "ca_file")]
    ca_file: Option<PathBuf>,
    audience: Option<String>,
    #[serde(alias = "token_file")]
    token_file: Option<PathBuf>,
}

/// Every configured server, by name.
pub(super) fn read(settings: &Settings<'_>) -> Result<BTreeMap<ServerName, Server>, ConfigError> {
    let token_file = settings.path(Flag::TokenFile, "/var/run/esi/token");
    if let Some(url) = settings.get(Flag::ServerUrl) {
        return stated(settings, &url, token_file);
    }
    if let Some(ca) = settings.get(Flag::Ca) {
        return Err(ca.refuse("it belongs to --server-url, and there is none"));
    }
    let setting = settings.get(Flag::Servers).ok_or_else(|| {
        ConfigError::new(
            "servers",
            "there is none: set ESI_SERVERS or --servers; `--help` tells other ways",
        )
    })?;
    let raw: BTreeMap<ServerName, RawServer> =
        serde_json::from_str(&setting.text_or_file(MAX_SERVERS_BYTES)?)
            .map_err(|error| setting.refuse(error))?;
    raw.into_iter()
        .map(|(name, raw)| {
            let server = judge(name.clone(), raw, &token_file)
                .map_err(|problem| setting.refuse(format!("{name}.{problem}")))?;
            Ok((name, server))
        })
        .collect()
}

fn stated(
    settings: &Settings<'_>,
    url: &Setting,
    token_file: PathBuf,
) -> Result<BTreeMap<ServerName, Server>, ConfigError> {
    if settings.is_typed(Flag::Servers) {
        return Err(url.refuse("the servers are already given by --servers"));
    }
    let ca = settings
        .get(Flag::Ca)
        .ok_or_else(|| url.refuse("write --ca FILE too: no other CA is trusted"))?;
    let name: ServerName = "default".parse().map_err(|error| url.refuse(error))?;
    let server = Server {
        at: ServerAt {
            name: name.clone(),
            url: read_url(url.text()?).map_err(|problem| url.refuse(problem))?,
        },
        ca: read_ca(ca.path()).map_err(|problem| ca.refuse(problem))?,
        audience: None,
        token_file,
    };
    Ok(BTreeMap::from([(name, server)]))
}

/// A server, or the field and its problem.
fn judge(name: ServerName, raw: RawServer, token_file: &Path) -> Result<Server, String> {
    let RawServer {
        url,
        ca,
        ca_file,
        audience,
        token_file: own_token_file,
    } = raw;
    let ca = match (ca, ca_file) {
        (Some(pem), None) => check_ca(pem.into_bytes()).map_err(|problem| format!("ca: {problem}"))?,
        (None, Some(path)) => read_ca(&path).map_err(|problem| format!("caFile: {problem}"))?,
        _ => return Err("ca: write exactly one of `ca` (PEM) and `caFile`".to_owned()),
    };
    Ok(Server {
        at: ServerAt {
            name,
            url: read_url(&url).map_err(|problem| format!("url: {problem}"))?,
        },
        ca,
        audience,
        token_file: own_token_file.unwrap_or_else(|| token_file.to_owned()),
    })
}

fn read_ca(path: &Path) -> Result<Vec<u8>, String> {
    let at = |problem: &dyn std::fmt::Display| format!("{}: {problem}", path.display());
    let pem = read_bounded(path, MAX_CA_BYTES).map_err(|error| at(&error))?;
    check_ca(pem).map_err(|problem| at(&problem))
}

fn check_ca(pem: Vec<u8>) -> Result<Vec<u8>, String> {
    // An empty bundle would refuse every server, and say nothing of why.
    if pem.windows(PEM_BEGIN.len()).any(|window| window == PEM_BEGIN) {
        Ok(pem)
    } else {
        Err("there is no certificate in PEM in it".to_owned())
    }
}

fn read_url(text: &str) -> Result<Uri, String> {
    let url: Uri = text.parse().map_err(|error| format!("`{text}`: {error}"))?;
    if url.scheme_str() != Some("https") {
        return Err(format!(
            "`{text}` is not https: a token is never shown to a server without TLS"
        ));
    }
    let authority = url.authority().map(ToString::to_string).unwrap_or_default();
    if url.host().is_none_or(str::is_empty) || authority.contains('@') {
        return Err(format!("`{text}` is not https://HOST or https://HOST:PORT"));
    }
    if url.path_and_query().is_some_and(|rest| rest.as_str() != "/") {
        return Err(format!(
            "`{text}` has something after the port: write https://HOST:PORT"
        ));
    }
    Ok(url)
}
