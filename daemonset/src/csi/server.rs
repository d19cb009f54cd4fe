//! The two servers, each on its socket.

use std::sync::Arc;
use std::time::Duration;

use esi_runtime::Shutdown;
use thiserror::Error;
use tokio::sync::Semaphore;
use tonic::service::Routes;
use tonic::transport::Server;

use super::identity::IdentityService;
use super::node::NodeService;
use super::proto::csi::identity_server::IdentityServer;
use super::proto::csi::node_server::NodeServer;
use super::proto::registration::registration_server::RegistrationServer;
use super::registration::RegistrationService;
use super::socket::Socket;

/// Connections at once to the CSI socket: kubelet makes one a call, and a node has a few hundred pods. Each costs some
/// 20 KiB while it lasts.
const CALLERS: usize = 1024;
/// The same of the registration socket: kubelet has one, the probe another.
const REGISTRARS: usize = 16;
/// Calls at once in one connection. kubelet makes one.
const STREAMS: u32 = 16;
/// Most bytes of a call's message: a plan (64 KiB), tokens, and the Secret that a pod may name although it is refused.
const MAX_MESSAGE: usize = 2 * 1024 * 1024;
/// Most bytes of a call's metadata.
const MAX_HEADERS: u32 = 16 * 1024;
/// A client that is stopped holds its connection until it misses this.
const PING: Duration = Duration::from_secs(20);

/// A server could not go on.
#[derive(Debug, Error)]
#[error("the server of a socket ended")]
pub struct ServerError(#[from] tonic::transport::Error);

/// Serves kubelet's calls until the shutdown, and then until those that run have ended.
///
/// # Errors
/// If the server cannot go on.
pub async fn csi(
    socket: Socket,
    identity: IdentityService,
    node: NodeService,
    shutdown: Shutdown,
) -> Result<(), ServerError> {
    let node = NodeServer::new(node).max_decoding_message_size(MAX_MESSAGE);
    let routes = Routes::new(IdentityServer::new(identity)).add_service(node);
    serve(socket, CALLERS, routes, shutdown).await
}

/// Serves kubelet's plugin manager, the same way.
///
/// # Errors
/// If the server cannot go on.
pub async fn registration(
    socket: Socket,
    service: RegistrationService,
    shutdown: Shutdown,
) -> Result<(), ServerError> {
    serve(
        socket,
        REGISTRARS,
        Routes::new(RegistrationServer::new(service)),
        shutdown,
    )
    .await
}

async fn serve(
    socket: Socket,
    connections: usize,
    routes: Routes,
    shutdown: Shutdown,
) -> Result<(), ServerError> {
    let incoming = Box::pin(socket.incoming(Arc::new(Semaphore::new(connections))));
    let stop = async move { shutdown.requested().await };
    Server::builder()
        .max_concurrent_streams(STREAMS)
        .http2_max_header_list_size(MAX_HEADERS)
        .http2_keepalive_interval(Some(PING))
        .http2_keepalive_timeout(Some(PING))
        .add_routes(routes)
        .serve_with_incoming_shutdown(incoming, stop)
        .await?;
    Ok(())
}
