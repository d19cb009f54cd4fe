//! The connection to one server.

use std::time::Duration;

use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint};

use super::error::ConnectError;
use crate::servers::Server;

/// The time for a TCP connection and a TLS handshake: many round trips even around the world.
const CONNECT: Duration = Duration::from_secs(5);
/// How often a connection with a call under way is probed, and how long the answer may take: a connection that
/// died silently would else hold every later call until the kernel gives it up, a quarter of an hour later.
const KEEP_ALIVE: Duration = Duration::from_secs(10);

/// A channel that connects when it is first used, and again whenever it has to.
///
/// # Errors
/// If the host is no name or address, or the CA is not usable.
pub(crate) fn channel(server: &Server, agent: &'static str) -> Result<Channel, ConnectError> {
    // Only the CA given: no other root is compiled in or read.
    let tls = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(&server.ca));
    let endpoint = Endpoint::from(server.at.url.clone())
        .user_agent(agent)
        .and_then(|endpoint| endpoint.tls_config(tls))
        .map_err(ConnectError::Tls)?
        .connect_timeout(CONNECT)
        .http2_keep_alive_interval(KEEP_ALIVE)
        .keep_alive_timeout(KEEP_ALIVE)
        .tcp_nodelay(true);
    Ok(endpoint.connect_lazy())
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair};

    use super::*;
    use crate::servers::ServerAt;

    fn server(url: &str) -> Server {
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::default().self_signed(&key).unwrap();
        Server {
            at: ServerAt {
                name: "default".parse().unwrap(),
                url: url.parse().unwrap(),
            },
            ca: certificate.pem().into_bytes(),
            audience: None,
            token_file: "token".into(),
        }
    }

    #[tokio::test]
    async fn a_server_is_known_by_a_name_or_an_address() {
        for url in [
            "https://esi",
            "https://esi.svc:8443",
            "https://127.0.0.1:1",
            "https://[::1]:1",
        ] {
            assert!(channel(&server(url), "test").is_ok(), "{url} was refused");
        }
        assert!(channel(&server("https://-"), "test").is_err());
    }

    #[tokio::test]
    async fn a_ca_that_is_no_certificate_is_refused() {
        let mut server = server("https://esi");
        server.ca = b"-----BEGIN CERTIFICATE-----\nAAAA\n".to_vec();
        assert!(channel(&server, "test").is_err());
    }
}
