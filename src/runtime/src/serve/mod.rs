//! The accept loop: TCP, TLS, HTTP/1.1 and HTTP/2 on one port, for one router (REST and gRPC alike).
//!
//! ```text
//!  accept ─▶ cap ─▶ handshake (deadline) ─▶ HTTP by ALPN ─▶ Router     [Peer] in every request
//!    │                                          ▲
//!    └── stop requested: no more ───────────────┴── finish what runs, at most `drain`, then cut
//! ```
//!
//! Invariants: a peer that is slow, silent or numerous costs a bounded amount for a bounded time; every
//! connection and every HTTP/2 stream is a tracked task that ends before [`serve`] returns; dropping the
//! future cuts them all.

mod accept;
mod connection;
mod gate;

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use esi_core::{Classify, Code, Retry};
use thiserror::Error;
use tokio::net::{TcpListener, TcpSocket};

use crate::{Metrics, ServerTls, Shutdown};
use accept::Server;
use connection::Transport;

/// Connections the kernel holds for us while we are busy; more are refused by it.
const BACKLOG: u32 = 1024;

/// Why a server could not start.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ServeError {
    /// The address cannot be listened on.
    #[error("cannot listen on {address}; check that it is an address of this host and that the port is free")]
    Bind {
        /// The address asked for.
        address: SocketAddr,
        /// Why.
        #[source]
        source: io::Error,
    },
}

impl Classify for ServeError {
    fn code(&self) -> Code {
        match self {
            Self::Bind { .. } => Code::FailedPrecondition,
        }
    }

    fn retry(&self) -> Retry {
        Retry::Never
    }

    fn kind(&self) -> &'static str {
        match self {
            Self::Bind { .. } => "bind",
        }
    }
}

/// Who is at the other end of the connection: an extension of every request (HTTP and gRPC).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer {
    /// Its address, as TCP shows it.
    pub address: SocketAddr,
}

/// What a peer may cost. The defaults suit a server with 64 KiB requests and a few thousand clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServeLimits {
    /// Connections open at once; the next are closed at once, so that their clients try another replica.
    /// An idle one costs about 50 KiB (TLS and HTTP/2 buffers): 4,096 are 200 MiB at the very most, and
    /// need as many file descriptors.
    pub max_connections: usize,
    /// From accept to the end of the TLS handshake.
    pub handshake_timeout: Duration,
    /// From the handshake to the first whole request head, and for each later one of HTTP/1.
    pub header_timeout: Duration,
    /// From a request's head to the head of its answer, its body included: what a slow sender gets. Answered
    /// with 504. A slow reader is the kernel's to end (`TCP_USER_TIMEOUT`).
    pub request_timeout: Duration,
    /// Bytes of all headers of one request: a bearer token is 1 to 8 KiB. Never below 8 KiB.
    pub max_header_bytes: u32,
    /// HTTP/2 requests of one connection that run at once.
    pub max_streams: u32,
    /// An HTTP/2 connection that is silent for this long is asked whether it is still there ...
    pub ping_interval: Duration,
    /// ... and is closed when it does not answer within this.
    pub ping_timeout: Duration,
    /// A connection on which no request begins for this long (up to twice as long) is closed politely: its place is
    /// another's. Above the pause between two reports of a client that stays connected (30 s).
    pub max_idle: Duration,
    /// A connection of this age is closed politely: its client connects anew, to a replica that is there now, with
    /// the certificate that is in force now.
    pub max_age: Duration,
    /// From the request to stop until connections still busy are cut. Keep it below the deadline of
    /// [`crate::Tasks::wait`], and both below the grace that the platform gives (Kubernetes: 30 s).
    pub drain: Duration,
}

impl Default for ServeLimits {
    fn default() -> Self {
        Self {
            max_connections: 4096,
            handshake_timeout: Duration::from_secs(5),
            header_timeout: Duration::from_secs(10),
            request_timeout: Duration::from_secs(60),
            max_header_bytes: 32 * 1024,
            max_streams: 256,
            ping_interval: Duration::from_secs(20),
            ping_timeout: Duration::from_secs(20),
            max_idle: Duration::from_secs(300),
            max_age: Duration::from_secs(3600),
            drain: Duration::from_secs(20),
        }
    }
}

/// A socket that listens, and is not served yet: its address is known before anything depends on it.
#[derive(Debug)]
pub struct Listener {
    socket: TcpListener,
    address: SocketAddr,
}

impl Listener {
    /// Listens. Port 0 takes a free one. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// If the address is not ours or taken.
    pub fn bind(address: SocketAddr) -> Result<Self, ServeError> {
        let listen = || {
            let socket = if address.is_ipv4() {
                TcpSocket::new_v4()
            } else {
                TcpSocket::new_v6()
            }?;
            // A restart must not wait for connections of the process before it to be forgotten.
            socket.set_reuseaddr(true)?;
            socket.bind(address)?;
            let socket = socket.listen(BACKLOG)?;
            let address = socket.local_addr()?;
            Ok(Self { socket, address })
        };
        listen().map_err(|source| ServeError::Bind { address, source })
    }

    /// The address, with the port that was really taken.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }
}

/// Serves the router over TLS until a stop is requested, and then drains: requests that run may finish
/// within `limits.drain`; a forced stop cuts them at once. An accept that fails is retried with back-off.
pub async fn serve(
    listener: Listener,
    tls: ServerTls,
    router: Router,
    limits: ServeLimits,
    metrics: Metrics,
    shutdown: Shutdown,
) {
    Server {
        transport: Transport::Tls(tls),
        router,
        limits,
        metrics,
        shutdown,
    }
    .run(listener)
    .await;
}

/// Serves the router without TLS until a stop is requested.
pub(crate) async fn serve_plain(
    listener: Listener,
    router: Router,
    limits: ServeLimits,
    metrics: Metrics,
    shutdown: Shutdown,
) {
    Server {
        transport: Transport::Plain,
        router,
        limits,
        metrics,
        shutdown,
    }
    .run(listener)
    .await;
}

#[cfg(test)]
mod tests;
