//! The file of servers.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use esi_client::{MAX_SERVERS_BYTES, Server, read_bounded, read_servers};
use esi_core::names::ServerName;

use super::error::ServersError;

/// Where the servers and the daemon's own tokens are.
#[derive(Debug, Clone)]
pub(super) struct Files {
    pub(super) servers: PathBuf,
    pub(super) tokens: PathBuf,
}

impl Files {
    /// The servers that are described now, each with an audience of its own.
    pub(super) fn read(&self) -> Result<BTreeMap<ServerName, Server>, ServersError> {
        read(&self.servers, &self.tokens)
    }
}

fn read(file: &Path, tokens: &Path) -> Result<BTreeMap<ServerName, Server>, ServersError> {
    let text = read_bounded(file, MAX_SERVERS_BYTES)
        .and_then(|bytes| String::from_utf8(bytes).map_err(io::Error::other))
        .map_err(ServersError::Unreadable)?;
    let servers = read_servers(&text, |name| tokens.join(name.as_str())).map_err(ServersError::Invalid)?;
    check_audiences(&servers)?;
    Ok(servers)
}

fn check_audiences(servers: &BTreeMap<ServerName, Server>) -> Result<(), ServersError> {
    let mut seen: BTreeMap<&str, &ServerName> = BTreeMap::new();
    for (name, server) in servers {
        let Some(audience) = server.audience.as_deref().filter(|audience| !audience.is_empty()) else {
            return Err(ServersError::NoAudience { server: name.clone() });
        };
        if let Some(first) = seen.insert(audience, name) {
            return Err(ServersError::SharedAudience {
                first: first.clone(),
                second: name.clone(),
                audience: audience.to_owned(),
            });
        }
    }
    Ok(())
}
