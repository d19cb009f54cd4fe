//! What the init container is told of servers, and the tokens that it shows them.

use std::collections::BTreeMap;

use esi_core::names::ServerName;
use serde_json::{Map, Value, json};

use super::names::{INIT_TOKENS, TOKEN_VOLUME};
use super::share::Share;
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

/// The servers as `esi-cli` reads them.
pub(super) fn describe(servers: &BTreeMap<&ServerName, &Server>) -> String {
    let files = token_files(servers);
    let mut all = Map::new();
    for (name, server) in servers {
        let mut one = json!({ "url": server.url, "ca": server.ca, "audience": server.audience });
        let file = files.get(server.audience.as_str()).filter(|_| files.len() > 1);
        if let (Some(file), Some(one)) = (file, one.as_object_mut()) {
            one.insert(
                "tokenFile".to_owned(),
                Value::from(format!("{INIT_TOKENS}/{file}")),
            );
        }
        all.insert(name.to_string(), one);
    }
    Value::Object(all).to_string()
}

/// The volume of tokens: one for each audience. kubelet makes them readable for the init container alone where the
/// pod's users allow, and no other container mounts them.
pub(super) fn token_volume(servers: &BTreeMap<&ServerName, &Server>, init: &InitContainer) -> Value {
    let expiration = init.token_lifetime.as_secs();
    let sources: Vec<Value> = token_files(servers)
        .into_iter()
        .map(|(audience, path)| {
            json!({ "serviceAccountToken": { "audience": audience, "expirationSeconds": expiration, "path": path } })
        })
        .collect();
    json!({ "name": TOKEN_VOLUME, "projected": { "sources": sources } })
}
