//! The servers: from one description of all, or one stated with flags.

use std::collections::BTreeMap;
use std::path::PathBuf;

use esi_client::{MAX_SERVERS_BYTES, Server, ServerAt, read_ca, read_servers, read_url};
use esi_core::names::ServerName;

use super::error::ConfigError;
use super::settings::{Setting, Settings};
use crate::args::Flag;

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
    let text = setting.text_or_file(MAX_SERVERS_BYTES)?;
    read_servers(&text, |_server| token_file.clone()).map_err(|error| setting.refuse(error))
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
