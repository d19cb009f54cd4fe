//! The servers that hold now, each with its connection.

use std::collections::BTreeMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use esi_client::{Client, Token, TokenSource};
use esi_core::names::ServerName;

use super::error::{ServersError, UnknownServer};

/// What servers are told that calls.
const AGENT: &str = concat!("esi-node/", env!("CARGO_PKG_VERSION"));

/// A server, and the one connection to it.
#[derive(Debug)]
pub struct Server {
    described: esi_client::Server,
    client: Client,
}

impl Server {
    /// How plans call it.
    #[must_use]
    pub fn name(&self) -> &ServerName {
        &self.described.at.name
    }

    /// Whom a token must be for, to be shown to it.
    #[must_use]
    pub fn audience(&self) -> &str {
        self.described.audience.as_deref().unwrap_or_default()
    }

    /// Calls as the daemon, with the token of its own file, which is read anew for each attempt.
    #[must_use]
    pub fn own(&self) -> &Client {
        &self.client
    }

    /// Calls as a pod.
    #[must_use]
    pub fn of_pod(&self, token: Token) -> Client {
        self.client.showing(TokenSource::Given(token))
    }
}

/// The servers of the newest good file. Clones see the same.
#[derive(Debug, Clone)]
pub struct Servers(Arc<ArcSwap<BTreeMap<ServerName, Arc<Server>>>>);

impl Servers {
    /// There are none, and never will be.
    #[must_use]
    pub fn none() -> Self {
        Self(Arc::default())
    }

    /// Connects when one is first called. Must be called on a runtime, whose tasks hold the connections.
    pub(super) fn new(described: BTreeMap<ServerName, esi_client::Server>) -> Result<Self, ServersError> {
        let servers = Self(Arc::default());
        servers.replace(described)?;
        Ok(servers)
    }

    /// Takes these servers, or none of them. Whoever has one goes on with it to the end of its call.
    pub(super) fn replace(
        &self,
        described: BTreeMap<ServerName, esi_client::Server>,
    ) -> Result<(), ServersError> {
        let before = self.0.load();
        let built = described
            .into_iter()
            .map(|(name, described)| {
                let same = before.get(&name).filter(|server| server.described == described);
                let server = match same {
                    Some(server) => Arc::clone(server),
                    None => Arc::new(build(described)?),
                };
                Ok((name, server))
            })
            .collect::<Result<_, ServersError>>()?;
        self.0.store(Arc::new(built));
        Ok(())
    }

    /// The server of a plan.
    ///
    /// # Errors
    /// If there is none of that name.
    pub fn get(&self, name: &ServerName) -> Result<Arc<Server>, UnknownServer> {
        let servers = self.0.load();
        servers.get(name).map(Arc::clone).ok_or_else(|| {
            let names: Vec<_> = servers.keys().map(|name| format!("`{name}`")).collect();
            UnknownServer {
                name: name.clone(),
                known: if names.is_empty() {
                    "none".to_owned()
                } else {
                    names.join(", ")
                },
            }
        })
    }

    /// All of them.
    #[must_use]
    pub fn all(&self) -> Vec<Arc<Server>> {
        self.0.load().values().map(Arc::clone).collect()
    }
}

fn build(described: esi_client::Server) -> Result<Server, ServersError> {
    let client = Client::new(&described, AGENT).map_err(|source| ServersError::Unusable {
        server: described.at.name.clone(),
        source,
    })?;
    Ok(Server { described, client })
}
