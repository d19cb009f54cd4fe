//! Accepting, counting, and ending connections.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use socket2::{SockRef, TcpKeepalive};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::connection::{self, Streams, Transport};
use super::gate::{Gate, Place};
use super::{Listener, Peer, ServeLimits};
use crate::{Metrics, Shutdown};

/// A peer that vanished (power, network) is noticed after about two minutes, also before any HTTP/2 ping.
const KEEPALIVE: TcpKeepalive = TcpKeepalive::new()
    .with_time(Duration::from_secs(60))
    .with_interval(Duration::from_secs(15));

/// How long what we sent may stay unacknowledged, or unsent because the peer does not read (tcp(7)).
const USER_TIMEOUT: Duration = Duration::from_secs(30);

/// The longest pause after accepts that fail.
const MAX_PAUSE: Duration = Duration::from_secs(1);

/// All that connections of one port share.
pub(super) struct Server {
    pub(super) transport: Transport,
    pub(super) router: Router,
    pub(super) limits: ServeLimits,
    pub(super) metrics: Metrics,
    pub(super) shutdown: Shutdown,
}

impl Server {
    pub(super) async fn run(self, listener: Listener) {
        let server = Arc::new(self);
        let tracker = TaskTracker::new();
        let cut = CancellationToken::new();
        // If this future is dropped, so are its connections.
        let _cut_on_drop = cut.clone().drop_guard();
        let streams = Streams {
            tracker: tracker.clone(),
            cut: cut.clone(),
        };

        tokio::select! {
            biased;
            () = server.shutdown.requested() => {}
            () = Arc::clone(&server).accept(&listener, &streams) => {}
        }
        // Closed before draining: new clients must be refused by the kernel, not left waiting.
        drop(listener);
        tracker.close();
        tokio::select! {
            biased;
            () = tracker.wait() => return,
            () = tokio::time::sleep(server.limits.drain) => {}
            () = server.shutdown.forced() => {}
        }
        let open = server.metrics.open.get();
        tracing::warn!(
            connections = open,
            "cutting connections that did not finish in time"
        );
        server
            .metrics
            .cut("drain")
            .inc_by(u64::try_from(open).unwrap_or(0));
        cut.cancel();
        tracker.wait().await;
    }

    async fn accept(self: Arc<Self>, listener: &Listener, streams: &Streams) {
        let gate = Gate::new(self.limits.max_connections);
        let mut failures = 0;
        loop {
            match listener.socket.accept().await {
                Ok((stream, address)) => {
                    failures = 0;
                    self.admit(stream, address, &gate, streams);
                }
                Err(error) => {
                    let Some(pause) = pause(error.kind(), failures) else {
                        continue;
                    };
                    if failures == 0 {
                        tracing::error!(%error, "cannot accept connections: trying again");
                    }
                    failures += 1;
                    self.metrics.refused("accept").inc();
                    tokio::time::sleep(pause).await;
                }
            }
        }
    }

    fn admit(self: &Arc<Self>, stream: TcpStream, address: SocketAddr, gate: &Gate, streams: &Streams) {
        let place = match gate.admit(address.ip()) {
            Ok(place) => place,
            Err(reason) => {
                self.metrics.refused(reason).inc();
                return;
            }
        };
        tune(&stream);
        self.metrics.accepted.inc();
        let open = Open::new(self.metrics.clone(), place);
        let server = Arc::clone(self);
        let (http, cut) = (streams.clone(), streams.cut.clone());
        streams.tracker.spawn(async move {
            let _open = open;
            cut.run_until_cancelled(connection::run(&server, stream, Peer { address }, http))
                .await;
        });
    }
}

/// Small messages must not wait for an acknowledgement. A socket that refuses an option still works.
fn tune(stream: &TcpStream) {
    let socket = SockRef::from(stream);
    let tuned = stream
        .set_nodelay(true)
        .and_then(|()| socket.set_tcp_keepalive(&KEEPALIVE))
        .and_then(|()| socket.set_tcp_user_timeout(Some(USER_TIMEOUT)));
    if let Err(error) = tuned {
        tracing::debug!(%error, "a socket option was refused");
    }
}

/// How long to pause after an accept that failed: not at all if only that one connection is concerned
/// (accept(2)); else growing, since a loop would spin while file descriptors are exhausted.
fn pause(error: ErrorKind, failures_before: u32) -> Option<Duration> {
    match error {
        ErrorKind::ConnectionAborted | ErrorKind::ConnectionReset | ErrorKind::Interrupted => None,
        _ => Some(
            Duration::from_millis(10)
                .saturating_mul(1 << failures_before.min(7))
                .min(MAX_PAUSE),
        ),
    }
}

/// A connection's slot and its place in the gauge, given back together.
struct Open {
    metrics: Metrics,
    _place: Place,
}

impl Open {
    fn new(metrics: Metrics, place: Place) -> Self {
        metrics.open.inc();
        Self {
            metrics,
            _place: place,
        }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.metrics.open.dec();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_of_one_connection_does_not_pause_the_others() {
        assert_eq!(pause(ErrorKind::ConnectionAborted, 5), None);
    }

    #[test]
    fn exhausted_descriptors_pause_longer_each_time_up_to_a_second() {
        let emfile = std::io::Error::from_raw_os_error(24).kind();
        let pauses: Vec<_> = [0, 1, 2, 6, 7, u32::MAX]
            .map(|n| pause(emfile, n).unwrap().as_millis())
            .into();
        assert_eq!(pauses, [10, 20, 40, 640, 1000, 1000]);
    }
}
