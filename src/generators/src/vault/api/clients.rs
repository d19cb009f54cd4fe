//! HTTP clients, kept so that every generator of one Vault shares its connections.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use reqwest::Certificate;
use reqwest::redirect::Policy;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use thiserror::Error;

/// Most clients kept. A client holds connections to any number of servers that have the same CA; 64 CAs are more
/// than one installation knows. When it is full all are let go: those in use live on until their users end.
const MAX_CLIENTS: usize = 64;
/// Longest time to connect, TLS included.
const CONNECT_LIMIT: Duration = Duration::from_secs(5);
/// Connections kept per server: as many calls as are usually in flight at once.
const IDLE_CONNECTIONS: usize = 32;
/// How long an unused connection is kept; below the minute after which load balancers drop one silently.
const IDLE_LIMIT: Duration = Duration::from_secs(50);

/// Whose certificate a server must have.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(in crate::vault) enum Trust {
    /// None is asked for: plain HTTP.
    Plain,
    /// One that the system trusts.
    System,
    /// One of these CAs, in PEM.
    Pem(Vec<u8>),
}

/// Why there is no client.
#[derive(Debug, Error)]
pub(in crate::vault) enum ClientError {
    /// The bundle has no certificate.
    #[error("there is no CA certificate in PEM in it")]
    NoCertificate,
    /// A certificate cannot be read, or the system has none.
    #[error("the HTTP client cannot be made")]
    Build(#[source] reqwest::Error),
}

/// The clients, by what they trust.
#[derive(Default)]
pub(crate) struct Clients(Mutex<HashMap<Trust, reqwest::Client>>);

impl fmt::Debug for Clients {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Clients").finish_non_exhaustive()
    }
}

impl Clients {
    /// The client for servers with such a certificate.
    pub(in crate::vault) fn get(&self, trust: &Trust) -> Result<reqwest::Client, ClientError> {
        // A panic elsewhere leaves the map whole: it is written in one step.
        let mut clients = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = clients.get(trust) {
            return Ok(client.clone());
        }
        let client = build(trust)?;
        if clients.len() >= MAX_CLIENTS {
            clients.clear();
        }
        clients.insert(trust.clone(), client.clone());
        drop(clients);
        Ok(client)
    }
}

fn build(trust: &Trust) -> Result<reqwest::Client, ClientError> {
    if CryptoProvider::get_default().is_none() {
        // reqwest takes the process's provider and has none of its own. An error means that another thread has
        // installed one meanwhile, which is as good.
        drop(aws_lc_rs::default_provider().install_default());
    }
    let builder = reqwest::Client::builder()
        .connect_timeout(CONNECT_LIMIT)
        .pool_max_idle_per_host(IDLE_CONNECTIONS)
        .pool_idle_timeout(IDLE_LIMIT)
        .tcp_nodelay(true)
        // A redirect would carry our token to a host that no manifest names.
        .redirect(Policy::none())
        // Where Vault is, the manifest says; the environment does not.
        .no_proxy();
    match trust {
        // Without certificates, so that a system that has none still makes a client.
        Trust::Plain => builder.tls_certs_only([]),
        Trust::System => builder.https_only(true),
        Trust::Pem(pem) => {
            let certificates = Certificate::from_pem_bundle(pem).map_err(ClientError::Build)?;
            if certificates.is_empty() {
                return Err(ClientError::NoCertificate);
            }
            builder.https_only(true).tls_certs_only(certificates)
        }
    }
    .build()
    .map_err(ClientError::Build)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bundle_without_a_certificate_is_refused() {
        let clients = Clients::default();
        assert!(clients.get(&Trust::Pem(b"nothing".to_vec())).is_err());
        assert!(clients.get(&Trust::Plain).is_ok());
    }

    #[test]
    fn no_more_clients_are_kept_than_the_bound() {
        let clients = Clients::default();
        let known = clients.get(&Trust::Plain).unwrap();
        let mut map = clients.0.lock().unwrap();
        for number in 0..MAX_CLIENTS {
            map.insert(Trust::Pem(number.to_le_bytes().to_vec()), known.clone());
        }
        drop(map);
        clients.get(&Trust::System).unwrap();
        assert_eq!(clients.0.lock().unwrap().len(), 1);
    }
}
