//! One connection: handshake, then HTTP/1.1 or HTTP/2 as negotiated, until its end.
//!
//! The protocol is chosen by ALPN and never by sniffing the first bytes: a sniffer has no deadline, so a
//! silent client would keep its place for ever. For the same reason a connection must bring its first
//! request within `header_timeout`; afterwards HTTP/1 has a deadline per request head and HTTP/2 its pings. One that is
//! idle or old is asked to end as at a drain (HTTP/2: GOAWAY): requests that run, or are on their way, are answered.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use hyper::body::Incoming;
use hyper::rt::Executor;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt as _;

use super::accept::Server;
use super::{Peer, ServeLimits};
use crate::ServerTls;

/// Streams that a peer resets before we accepted them, and that we reset for its errors, before the
/// connection is closed: the "rapid reset" attacks (CVE-2023-44487, CVE-2025-8671). An honest client
/// cancels a few.
const MAX_RESETS: usize = 64;

/// What is below HTTP.
pub(super) enum Transport {
    Tls(ServerTls),
    Plain,
}

/// Runs HTTP/2 streams as tasks that the server tracks and can cut.
#[derive(Clone)]
pub(super) struct Streams {
    pub(super) tracker: TaskTracker,
    pub(super) cut: CancellationToken,
}

impl<F: Future<Output: Send> + Send + 'static> Executor<F> for Streams {
    fn execute(&self, stream: F) {
        self.tracker
            .spawn(self.cut.clone().run_until_cancelled_owned(stream));
    }
}

/// Serves a connection until either side ends it.
pub(super) async fn run(server: &Server, stream: TcpStream, peer: Peer, streams: Streams) {
    let tls = match &server.transport {
        Transport::Plain => return http(server, stream, peer, Builder::new(streams).http1_only()).await,
        Transport::Tls(tls) => tls,
    };
    let handshake = TlsAcceptor::from(tls.current()).accept(stream);
    let stream = tokio::select! {
        // A connection without a request has nothing to finish.
        () = server.shutdown.requested() => return,
        handshake = tokio::time::timeout(server.limits.handshake_timeout, handshake) => match handshake {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => {
                server.metrics.handshake_failed("protocol").inc();
                tracing::debug!(peer = %peer.address, %error, "TLS handshake failed");
                return;
            }
            Err(_elapsed) => {
                server.metrics.handshake_failed("timeout").inc();
                return;
            }
        },
    };
    let builder = Builder::new(streams);
    let builder = match stream.get_ref().1.alpn_protocol() {
        Some(b"h2") => builder.http2_only(),
        _ => builder.http1_only(),
    };
    http(server, stream, peer, builder).await;
}

async fn http<S>(server: &Server, stream: S, peer: Peer, mut builder: Builder<Streams>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    limit(&mut builder, &server.limits);
    let requests = Arc::new(AtomicU64::new(0));
    let service = service_fn({
        let (router, requests) = (server.router.clone(), Arc::clone(&requests));
        let timeout = server.limits.request_timeout;
        move |mut request: Request<Incoming>| {
            requests.fetch_add(1, Ordering::Relaxed);
            request.extensions_mut().insert(peer);
            answer(router.clone(), request, timeout)
        }
    });
    let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
    let mut first_request = pin!(tokio::time::sleep(server.limits.header_timeout));
    let mut old = pin!(tokio::time::sleep(server.limits.max_age));
    let mut look = tokio::time::interval(server.limits.max_idle);
    look.reset();
    let (mut awaiting, mut draining, mut seen) = (true, false, 0);
    loop {
        tokio::select! {
            ended = connection.as_mut() => {
                if let Err(error) = ended {
                    // The client's doing, or a vanished network: its own log tells it.
                    tracing::debug!(peer = %peer.address, error, "connection ended");
                }
                return;
            }
            () = first_request.as_mut(), if awaiting => {
                awaiting = false;
                if requests.load(Ordering::Relaxed) == 0 {
                    server.metrics.cut("slow_request").inc();
                    return;
                }
            }
            () = server.shutdown.requested(), if !draining => {
                draining = true;
                connection.as_mut().graceful_shutdown();
            }
            () = old.as_mut(), if !draining => {
                draining = true;
                connection.as_mut().graceful_shutdown();
            }
            _ = look.tick(), if !draining => {
                let begun = requests.load(Ordering::Relaxed);
                if begun == seen {
                    draining = true;
                    connection.as_mut().graceful_shutdown();
                }
                seen = begun;
            }
        }
    }
}

async fn answer(
    router: Router,
    request: Request<Incoming>,
    timeout: Duration,
) -> Result<Response, Infallible> {
    let Ok(answer) = tokio::time::timeout(timeout, router.oneshot(request)).await else {
        return Ok(StatusCode::GATEWAY_TIMEOUT.into_response());
    };
    answer
}

fn limit(builder: &mut Builder<Streams>, limits: &ServeLimits) {
    // hyper panics below 8 KiB.
    let header_bytes = limits.max_header_bytes.max(8 * 1024);
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header_timeout)
        .max_buf_size(usize::try_from(header_bytes).unwrap_or(usize::MAX));
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(limits.max_streams)
        .max_header_list_size(header_bytes)
        .max_pending_accept_reset_streams(MAX_RESETS)
        .max_local_error_reset_streams(MAX_RESETS)
        .keep_alive_interval(limits.ping_interval)
        .keep_alive_timeout(limits.ping_timeout);
}
