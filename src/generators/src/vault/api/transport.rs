//! Sends what rustify built, over our own client: bounded, silent, and with the token where nobody prints it.
//!
//! rustify's own client reads bodies without a bound, drops what a failed answer says, and writes URLs and errors
//! to the log by itself; so does vaultrs around it. Here a body is bounded, a status is left to its reader, and
//! everything runs under a subscriber that hears nothing (see [`super::VaultApi::call`]).

use std::error::Error as _;

use async_trait::async_trait;
use http::{HeaderMap, Request, Response, StatusCode};
use rustify::client::Client;
use rustify::errors::ClientError;

use super::failure::Failure;
use super::token::Token;

/// Longest answer: a credential has at most 1 MiB, and JSON may write a byte in two.
pub(super) const MAX_ANSWER: usize = 2 * 1024 * 1024 + 64 * 1024;

/// Stands in for the server in the URLs that rustify builds; only their path and query are used.
const BASE: &str = "http://vault";

/// One call's way to the server.
pub(super) struct Transport<'a> {
    pub(super) http: &'a reqwest::Client,
    /// Scheme, host, port and perhaps a path before `/v1`; without a slash at its end.
    pub(super) server: &'a str,
    pub(super) headers: &'a HeaderMap,
    pub(super) token: Option<&'a Token>,
}

#[async_trait]
impl Client for Transport<'_> {
    fn base(&self) -> &str {
        BASE
    }

    async fn send(&self, request: Request<Vec<u8>>) -> Result<Response<Vec<u8>>, ClientError> {
        self.exchange(request).await.map_err(carry)
    }

    /// As it is: what a status means is said in one place, [`super::failure`].
    async fn execute(&self, request: Request<Vec<u8>>) -> Result<Response<Vec<u8>>, ClientError> {
        self.send(request).await
    }
}

impl Transport<'_> {
    async fn exchange(&self, request: Request<Vec<u8>>) -> Result<Response<Vec<u8>>, Failure> {
        let (parts, body) = request.into_parts();
        let target = parts
            .uri
            .path_and_query()
            .ok_or(Failure::Unsendable("it has no path"))?;
        let mut headers = parts.headers;
        // Ours win: a manifest's headers are added only where there is none of that name.
        for (name, value) in self.headers {
            if !headers.contains_key(name) {
                headers.append(name, value.clone());
            }
        }
        if let Some(token) = self.token {
            let value = token
                .header()
                .map_err(|_source| Failure::Unsendable("the token is no header"))?;
            headers.insert("x-vault-token", value);
        }
        if !body.is_empty() {
            headers.insert(
                http::header::CONTENT_TYPE,
                http::HeaderValue::from_static("application/json"),
            );
        }
        let mut answer = self
            .http
            .request(parts.method, format!("{}{target}", self.server))
            .headers(headers)
            .body(body)
            .send()
            .await
            .map_err(broken)?;
        let status = answer.status();
        let mut bytes = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(broken)? {
            if bytes.len() + chunk.len() > MAX_ANSWER {
                return Err(Failure::TooLong(MAX_ANSWER));
            }
            bytes.extend_from_slice(&chunk);
        }
        let mut response = Response::new(bytes);
        *response.status_mut() = StatusCode::from_u16(status.as_u16()).unwrap_or(StatusCode::BAD_GATEWAY);
        Ok(response)
    }
}

/// Through rustify's error type and out again with [`carried`].
fn carry(failure: Failure) -> ClientError {
    ClientError::GenericError {
        source: failure.into(),
    }
}

/// What [`carry`] put in. Anything else is rustify's own: the request could not be built, and its words may
/// quote what was to be sent.
pub(super) fn carried(error: ClientError) -> Failure {
    match error {
        ClientError::GenericError { source } => source
            .downcast()
            .unwrap_or(Failure::Unsendable("the client gave up")),
        _ => Failure::Unsendable("a part of it is no URL or no JSON"),
    }
}

/// Why a connection broke. A server that answers and does not speak HTTP is told apart: it is not down.
fn broken(error: reqwest::Error) -> Failure {
    let error = error.without_url();
    let mut cause = error.source();
    let mut innermost = None;
    while let Some(source) = cause {
        if source
            .downcast_ref::<hyper::Error>()
            .is_some_and(hyper::Error::is_parse)
        {
            return Failure::NotHttp;
        }
        innermost = Some(source);
        cause = source.source();
    }
    Failure::Connection(innermost.map_or_else(|| error.to_string(), ToString::to_string))
}
