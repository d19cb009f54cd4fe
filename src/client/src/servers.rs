//! The servers: where they are, and by what they are recognised (`ESI_SERVERS`, design §5.10).

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use esi_core::names::ServerName;
use esi_core::{Classify, Code, Retry};
use serde::Deserialize;
use thiserror::Error;
use tonic::transport::Uri;

use crate::read::read_bounded;

/// Most bytes of a CA bundle: a few hundred certificates.
const MAX_CA_BYTES: usize = 1024 * 1024;
/// Most bytes of the description of all servers, CAs included.
pub const MAX_SERVERS_BYTES: usize = 2 * MAX_CA_BYTES;
/// How a certificate begins in PEM (RFC 7468).
const PEM_BEGIN: &[u8] = b"-----BEGIN CERTIFICATE-----";

/// A server that a plan may name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// Which it is.
    pub at: ServerAt,
    /// The only certificates that its own is checked against, in PEM.
    pub ca: Vec<u8>,
    /// Whom a token must be for, to be shown to it.
    pub audience: Option<String>,
    /// The token to show it.
    pub token_file: PathBuf,
}

/// A server's name and place. Displays as both: whoever reads of a failure looks for the place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerAt {
    /// How plans call it.
    pub name: ServerName,
    /// `https`, a host, and nothing after the port.
    pub url: Uri,
}

impl fmt::Display for ServerAt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, url } = self;
        write!(f, "`{name}` at {}", url.to_string().trim_end_matches('/'))
    }
}

/// Why a description of servers is refused: the field and its problem.
#[derive(Debug, Error)]
#[error("{0}")]
pub struct ServerError(String);

impl ServerError {
    fn new(problem: impl fmt::Display) -> Self {
        Self(problem.to_string())
    }

    fn at(self, place: impl fmt::Display) -> Self {
        Self(format!("{place}: {self}"))
    }
}

impl Classify for ServerError {
    fn code(&self) -> Code {
        Code::InvalidArgument
    }

    fn retry(&self) -> Retry {
        Retry::Never
    }

    fn kind(&self) -> &'static str {
        "servers_invalid"
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

/// Every server of a description: a JSON object by name, each with `url`, `ca` or `caFile`, and optionally
/// `audience` and `tokenFile`, which is else what `token_file` says.
///
/// # Errors
/// If it is not of that shape, or a CA's file cannot be read.
pub fn read_servers(
    json: &str,
    token_file: impl Fn(&ServerName) -> PathBuf,
) -> Result<BTreeMap<ServerName, Server>, ServerError> {
    let raw: BTreeMap<ServerName, RawServer> = serde_json::from_str(json).map_err(ServerError::new)?;
    raw.into_iter()
        .map(|(name, raw)| {
            let server = judge(name.clone(), raw, &token_file)
                .map_err(|problem| ServerError(format!("{name}.{problem}")))?;
            Ok((name, server))
        })
        .collect()
}

/// A server, or the field and its problem.
fn judge(
    name: ServerName,
    raw: RawServer,
    token_file: impl Fn(&ServerName) -> PathBuf,
) -> Result<Server, ServerError> {
    let RawServer {
        url,
        ca,
        ca_file,
        audience,
        token_file: own_token_file,
    } = raw;
    let ca = match (ca, ca_file) {
        (Some(pem), None) => check_ca(pem.into_bytes()).map_err(|problem| problem.at("ca"))?,
        (None, Some(path)) => read_ca(&path).map_err(|problem| problem.at("caFile"))?,
        _ => {
            return Err(ServerError::new(
                "ca: write exactly one of `ca` (PEM) and `caFile`",
            ));
        }
    };
    Ok(Server {
        token_file: own_token_file.unwrap_or_else(|| token_file(&name)),
        at: ServerAt {
            name,
            url: read_url(&url).map_err(|problem| problem.at("url"))?,
        },
        ca,
        audience,
    })
}

/// The certificates in a file.
///
/// # Errors
/// If it cannot be read, or there is none in it.
pub fn read_ca(path: &Path) -> Result<Vec<u8>, ServerError> {
    let at = |problem: ServerError| problem.at(path.display());
    let pem = read_bounded(path, MAX_CA_BYTES).map_err(|error| at(ServerError::new(error)))?;
    check_ca(pem).map_err(at)
}

fn check_ca(pem: Vec<u8>) -> Result<Vec<u8>, ServerError> {
    // An empty bundle would refuse every server, and say nothing of why.
    if pem.windows(PEM_BEGIN.len()).any(|window| window == PEM_BEGIN) {
        Ok(pem)
    } else {
        Err(ServerError::new("there is no certificate in PEM in it"))
    }
}

/// A server's place.
///
/// # Errors
/// If it is not `https://HOST` or `https://HOST:PORT`.
pub fn read_url(text: &str) -> Result<Uri, ServerError> {
    let url: Uri = text
        .parse()
        .map_err(|error| ServerError(format!("`{text}`: {error}")))?;
    let refuse = |problem: &str| Err(ServerError(format!("`{text}` {problem}")));
    if url.scheme_str() != Some("https") {
        return refuse("is not https: a token is never shown to a server without TLS");
    }
    let authority = url.authority().map(ToString::to_string).unwrap_or_default();
    if url.host().is_none_or(str::is_empty) || authority.contains('@') {
        return refuse("is not https://HOST or https://HOST:PORT");
    }
    if url.path_and_query().is_some_and(|rest| rest.as_str() != "/") {
        return refuse("has something after the port: write https://HOST:PORT");
    }
    Ok(url)
}
