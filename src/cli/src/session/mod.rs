//! One process's bindings at their servers, from the first issue to the last revocation.
//!
//! ```text
//!  start:  issue ─▶ render     for all plans at once; only if every one succeeds:
//!          write files, env files ─▶ acknowledge       ──▶ Held
//!  give_back: revoke, for every binding that may be live
//! ```
//!
//! Invariant: a binding counts as live from before its issue is sent until a server refused it or it is given
//! back; so an answer that was lost is given back too.

mod fetch;
mod give_back;
mod start;
mod together;

pub(crate) use fetch::{Fetched, expires_at, fetch};
pub(crate) use start::{Held, acknowledge};
pub(crate) use together::together;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use esi_client::Client;
use esi_core::Plan;
use esi_core::names::{BindingName, ServerName};

use crate::config::Config;
use crate::exit::Failure;

/// What servers are told that calls.
const AGENT: &str = concat!("esi-cli/", env!("CARGO_PKG_VERSION"));

/// The plans, and a client for the server of each.
#[derive(Debug)]
pub(crate) struct Session {
    bindings: Vec<Binding>,
    /// Time for the start.
    deadline: Duration,
}

/// A plan and its server.
#[derive(Debug, Clone)]
pub(crate) struct Binding {
    pub(crate) plan: Arc<Plan>,
    pub(crate) client: Arc<Client>,
    /// Shared by all bindings of the session.
    live: Live,
}

/// The bindings that may have a live lease.
#[derive(Debug, Clone, Default)]
struct Live(Arc<Mutex<BTreeSet<BindingName>>>);

impl Live {
    fn with<T>(&self, change: impl FnOnce(&mut BTreeSet<BindingName>) -> T) -> T {
        // A set of names is whole at every instant, whoever panicked with it.
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Session {
    /// Nothing is sent yet.
    ///
    /// # Errors
    /// If a server's host or CA is not usable.
    pub(crate) fn new(config: Config) -> Result<Self, Failure> {
        let Config {
            plans,
            servers,
            volumes: _,
            env_dir: _,
            install: _,
            deadline,
            instance,
        } = config;
        let mut clients: BTreeMap<ServerName, Arc<Client>> = BTreeMap::new();
        for (name, server) in servers {
            let client = Client::new(&server, AGENT).map_err(|source| Failure::Connect {
                server: server.at.clone(),
                source,
            })?;
            clients.insert(name, Arc::new(client.named(instance.clone())));
        }
        let live = Live::default();
        let bindings = plans
            .into_iter()
            .filter_map(|plan| {
                // The configuration has the server of every plan.
                let client = Arc::clone(clients.get(&plan.server)?);
                Some(Binding {
                    plan: Arc::new(plan),
                    client,
                    live: live.clone(),
                })
            })
            .collect();
        Ok(Self { bindings, deadline })
    }
}
