//! What the init container is told of servers, and the tokens that it shows them.

use std::collections::BTreeMap;

use esi_core::names::ServerName;
use serde::Serialize;

use super::names::INIT_TOKENS;
use super::share::Share;
use super::volumes::{self, Token, Volume};
use crate::config::{InitContainer, Server};

/// The token where all servers take the same.
const TOKEN: &str = "token";

/// The servers of all bindings that the init container fetches, by name.
pub(super) fn used<'s>(shares: &'s [Share<'s>]) -> BTreeMap<&'s ServerName, &'s Server> {
    let fetched = shares.iter().filter(|share| share.by_init());
    fetched
        .map(|share| (&share.binding.plan.server, share.server))
        .collect()
}

/// The file of each audience's token: one where there is one audience, else one for each, called as the first
/// server that wants it. No server can show another's token.
fn token_files<'s>(servers: &BTreeMap<&'s ServerName, &'s Server>) -> BTreeMap<&'s str, String> {
    let mut files = BTreeMap::new();
    for (name, server) in servers {
        files
            .entry(server.audience.as_str())
            .or_insert_with(|| format!("{TOKEN}-{name}"));
    }
    if let (1, Some(only)) = (files.len(), files.values_mut().next()) {
        TOKEN.clone_into(only);
    }
    files
}

/// A server as `esi-cli` reads it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Described<'s> {
    audience: &'s str,
    ca: &'s str,
    #[serde(skip_serializing_if = "Option::is_none")]
    token_file: Option<String>,
    url: &'s str,
}

/// The servers as `esi-cli` reads them.
pub(super) fn describe(servers: &BTreeMap<&ServerName, &Server>) -> String {
    let files = token_files(servers);
    let one = |server: &'_ Server| {
        let file = files.get(server.audience.as_str()).filter(|_| files.len() > 1);
        file.map(|file| format!("{INIT_TOKENS}/{file}"))
    };
    let all: BTreeMap<&str, Described<'_>> = servers
        .iter()
        .map(|(name, server)| {
            let described = Described {
                audience: &server.audience,
                ca: &server.ca,
                token_file: one(server),
                url: &server.url,
            };
            (name.as_str(), described)
        })
        .collect();
    // Texts always serialise.
    serde_json::to_string(&all).unwrap_or_default()
}

/// The volume of tokens: one for each audience.
pub(super) fn token_volume<'s>(
    servers: &BTreeMap<&'s ServerName, &'s Server>,
    init: &InitContainer,
) -> Volume<'s> {
    let expiration_seconds = init.token_lifetime.as_secs();
    let files = token_files(servers).into_iter();
    volumes::tokens(files.map(|(audience, path)| Token {
        audience,
        expiration_seconds,
        path,
    }))
}
