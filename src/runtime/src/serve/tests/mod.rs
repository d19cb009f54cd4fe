use std::collections::HashSet;
use std::sync::Arc;

use axum::Extension;
use axum::body::Bytes;
use axum::routing::{get as route, post};
use esi_core::SystemClock;
use hyper::StatusCode;
use rcgen::{CertifiedKey, generate_simple_self_signed};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::mpsc::error::TryRecvError;
use tokio::sync::{Semaphore, mpsc};

use super::*;
use crate::TlsSource;
use crate::testing::{connect, get, serve_with, soon, start, text};

mod grpc;

/// A deadline that is waited out for real, and that a good client on a busy machine still keeps.
const SHORT: Duration = Duration::from_millis(500);

fn who() -> Router {
    Router::new().route(
        "/who",
        route(async |Extension(peer): Extension<Peer>| peer.address.ip().to_string()),
    )
}

/// A request that tells when it has begun, and ends when it is let go.
struct Held {
    router: Router,
    begun: mpsc::UnboundedReceiver<()>,
    release: Arc<Semaphore>,
}

fn held() -> Held {
    let (begin, begun) = mpsc::unbounded_channel();
    let release = Arc::new(Semaphore::new(0));
    let gate = Arc::clone(&release);
    let handler = async move || {
        begin.send(()).unwrap();
        gate.acquire().await.unwrap().forget();
        "finished"
    };
    Held {
        router: who().route("/held", route(handler)),
        begun,
        release,
    }
}

/// Reads until the server closes; a reset counts as closing.
async fn closed(stream: &mut (impl tokio::io::AsyncRead + Unpin)) -> Vec<u8> {
    let mut rest = Vec::new();
    soon(stream.read_to_end(&mut rest)).await.unwrap_or_default();
    rest
}

#[tokio::test]
async fn one_port_speaks_http1_and_http2_and_tells_the_handler_who_asks() {
    let server = start(who(), ServeLimits::default());
    let first = soon(server.http1().await.send_request(get("/who")))
        .await
        .unwrap();
    assert_eq!(text(first).await.1, "127.0.0.1");
    let second = soon(server.http2().await.send_request(get("/who")))
        .await
        .unwrap();
    assert_eq!(text(second).await.1, "127.0.0.1");
    assert_eq!(server.metrics.accepted.get(), 2);
    server.shutdown.trigger();
    soon(server.served).await.unwrap();
    assert_eq!(server.metrics.open.get(), 0);
}

#[tokio::test]
async fn an_address_that_is_taken_is_an_error_that_names_it() {
    let first = Listener::bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let error = Listener::bind(first.local_addr()).unwrap_err();
    assert!(
        error.to_string().contains(&first.local_addr().to_string()),
        "{error}"
    );
}

// --- certificates change under load ---

/// Writes a new pair as an agent does, the key last, and gives the certificate.
fn renew(directory: &std::path::Path) -> String {
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    for (name, content) in [("tls.crt", cert.pem()), ("tls.key", signing_key.serialize_pem())] {
        crate::files::replace(&directory.join(name), content.as_bytes(), 0o600).unwrap();
    }
    cert.pem()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_is_swapped_under_live_connections_without_a_single_failure() {
    const SWAPS: usize = 5;
    let directory = tempfile::tempdir().unwrap();
    let mut trusted = renew(directory.path());
    let source = TlsSource::Files {
        certificate: directory.path().join("tls.crt"),
        key: directory.path().join("tls.key"),
    };
    let metrics = Metrics::default();
    let (tls, reloader) = ServerTls::open(source, Arc::new(SystemClock), &metrics).unwrap();
    let reloading = tokio::spawn(reloader.run(Shutdown::new()));
    let first = trusted.clone();
    let server = serve_with(
        tls.clone(),
        first,
        metrics,
        who(),
        ServeLimits::default(),
        directory,
    );
    let directory = server.directory.path();
    let mut living = server.http2().await;

    let mut shown = HashSet::new();
    for _ in 0..SWAPS {
        let held = tls.current();
        let new = renew(directory);
        trusted.push_str(&new);
        // Until the new one is served, and once more then: connections never stop coming.
        let mut last = false;
        while !last {
            last = !Arc::ptr_eq(&tls.current(), &held);
            let fresh = soon(connect(server.address, &trusted, &["h2"])).await.unwrap();
            shown.insert(fresh.get_ref().1.peer_certificates().unwrap()[0].to_vec());
            let answer = soon(living.send_request(get("/who"))).await.unwrap();
            assert_eq!(answer.status(), StatusCode::OK);
        }
    }
    assert_eq!(shown.len(), SWAPS + 1);
    assert_eq!(server.metrics.handshake_failed("protocol").get(), 0);
    reloading.abort();
}

// --- peers that cost ---

#[tokio::test]
async fn a_peer_that_does_not_shake_hands_is_cut_and_others_are_served_meanwhile() {
    let server = start(
        who(),
        ServeLimits {
            handshake_timeout: SHORT,
            ..ServeLimits::default()
        },
    );
    let mut silent = TcpStream::connect(server.address).await.unwrap();
    let answer = soon(server.http1().await.send_request(get("/who")))
        .await
        .unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(closed(&mut silent).await, b"");
    assert_eq!(server.metrics.handshake_failed("timeout").get(), 1);
}

#[tokio::test]
async fn a_peer_that_speaks_no_tls_is_counted() {
    let server = start(who(), ServeLimits::default());
    let mut plain = TcpStream::connect(server.address).await.unwrap();
    plain
        .write_all(b"GET / HTTP/1.1\r\nhost: esi\r\n\r\n")
        .await
        .unwrap();
    closed(&mut plain).await;
    assert_eq!(server.metrics.handshake_failed("protocol").get(), 1);
}

#[tokio::test]
async fn a_peer_that_sends_no_request_is_cut_whatever_it_negotiated() {
    let limits = ServeLimits {
        header_timeout: SHORT,
        ..ServeLimits::default()
    };
    for alpn in [&["h2"][..], &["http/1.1"], &[]] {
        let server = start(who(), limits);
        let mut silent = server.connect(alpn).await.unwrap();
        closed(&mut silent).await;
        soon(server.idle()).await;
    }
}

#[tokio::test]
async fn a_request_head_that_dribbles_in_is_cut_also_after_a_good_request() {
    let limits = ServeLimits {
        header_timeout: SHORT,
        ..ServeLimits::default()
    };
    let server = start(who(), limits);
    for before in ["", "GET /who HTTP/1.1\r\nhost: esi\r\n\r\n"] {
        let mut slow = server.connect(&["http/1.1"]).await.unwrap();
        slow.write_all(before.as_bytes()).await.unwrap();
        slow.write_all(b"GET /who HTTP/1.1\r\nhost: e").await.unwrap();
        let answer = String::from_utf8(closed(&mut slow).await).unwrap();
        assert_eq!(
            answer.matches("200 OK").count(),
            usize::from(!before.is_empty()),
            "{answer}"
        );
    }
}

#[tokio::test]
async fn a_body_that_does_not_come_is_answered_with_a_timeout() {
    let router = Router::new().route("/echo", post(async |body: Bytes| body));
    let server = start(
        router,
        ServeLimits {
            request_timeout: SHORT,
            ..ServeLimits::default()
        },
    );
    let mut slow = server.connect(&["http/1.1"]).await.unwrap();
    slow.write_all(b"POST /echo HTTP/1.1\r\nhost: esi\r\ncontent-length: 9\r\n\r\nhalf")
        .await
        .unwrap();
    let answer = String::from_utf8(closed(&mut slow).await).unwrap();
    assert!(answer.starts_with("HTTP/1.1 504"), "{answer}");
}

#[tokio::test]
async fn headers_beyond_the_bound_are_refused() {
    let server = start(
        who(),
        ServeLimits {
            max_header_bytes: 8 * 1024,
            ..ServeLimits::default()
        },
    );
    let mut request = get("/who");
    request
        .headers_mut()
        .insert("x-large", "a".repeat(9 * 1024).parse().unwrap());
    let answer = soon(server.http2().await.send_request(request.clone()))
        .await
        .unwrap();
    assert_eq!(answer.status(), StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
    let answer = soon(server.http1().await.send_request(request)).await.unwrap();
    assert_eq!(answer.status(), StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
}

#[tokio::test]
async fn beyond_the_cap_a_connection_is_closed_at_once_until_another_ends() {
    let server = start(
        who(),
        ServeLimits {
            max_connections: 2,
            ..ServeLimits::default()
        },
    );
    let first = server.connect(&["http/1.1"]).await.unwrap();
    let _second = server.connect(&["http/1.1"]).await.unwrap();
    let refused = soon(server.connect(&["http/1.1"])).await;
    assert!(refused.is_err());
    assert_eq!(server.metrics.refused("limit").get(), 1);
    drop(first);
    // When the server has noticed is its own affair; that it does is ours.
    soon(async { while server.connect(&["http/1.1"]).await.is_err() {} }).await;
}

// --- the end ---

#[tokio::test]
async fn a_drain_lets_a_running_request_finish_and_takes_no_new_connection() {
    for http2 in [false, true] {
        let mut held = held();
        let server = start(held.router, ServeLimits::default());
        let asked = if http2 {
            let mut client = server.http2().await;
            tokio::spawn(async move { text(client.send_request(get("/held")).await.unwrap()).await })
        } else {
            let mut client = server.http1().await;
            tokio::spawn(async move { text(client.send_request(get("/held")).await.unwrap()).await })
        };
        soon(held.begun.recv()).await.unwrap();
        server.shutdown.trigger();
        // The listener is closed as soon as the server has seen the request to stop.
        soon(async { while TcpStream::connect(server.address).await.is_ok() {} }).await;
        assert!(!server.served.is_finished());
        held.release.add_permits(1);
        assert_eq!(
            soon(asked).await.unwrap(),
            (StatusCode::OK, "finished".to_owned())
        );
        soon(server.served).await.unwrap();
        assert_eq!(server.metrics.cut("drain").get(), 0);
    }
}

#[tokio::test]
async fn a_connection_that_is_idle_or_old_is_closed_politely() {
    let idle = ServeLimits {
        max_idle: SHORT,
        ..ServeLimits::default()
    };
    let old = ServeLimits {
        max_age: SHORT,
        ..ServeLimits::default()
    };
    for limits in [idle, old] {
        let mut held = held();
        let server = start(held.router, limits);
        let (mut first, mut second) = (server.http2().await, server.http1().await);
        soon(second.send_request(get("/who"))).await.unwrap();
        let asked = tokio::spawn({
            let request = first.send_request(get("/held"));
            async move { text(request.await.unwrap()).await }
        });
        soon(held.begun.recv()).await.unwrap();
        // The one that waits for an answer stays until it has it.
        soon(async {
            while server.metrics.open.get() != 1 {
                tokio::task::yield_now().await;
            }
        })
        .await;
        assert!(!asked.is_finished());
        held.release.add_permits(1);
        assert_eq!(soon(asked).await.unwrap().1, "finished");
        soon(server.idle()).await;
    }
}

#[tokio::test]
async fn a_connection_in_use_stays_however_short_the_idle_time() {
    let limits = ServeLimits {
        max_idle: Duration::from_millis(50),
        ..ServeLimits::default()
    };
    let server = start(who(), limits);
    let mut client = server.http2().await;
    let start = tokio::time::Instant::now();
    while start.elapsed() < SHORT {
        soon(client.send_request(get("/who"))).await.unwrap();
    }
    assert_eq!(server.metrics.accepted.get(), 1);
}

#[tokio::test]
async fn idle_connections_do_not_hold_up_a_drain() {
    // The drain would take an hour if it waited for one of these.
    let limits = ServeLimits {
        drain: Duration::from_secs(3600),
        handshake_timeout: Duration::from_secs(3600),
        header_timeout: Duration::from_secs(3600),
        ..ServeLimits::default()
    };
    let server = start(who(), limits);
    let mut http1 = server.http1().await;
    soon(http1.send_request(get("/who"))).await.unwrap();
    let mut http2 = server.http2().await;
    soon(http2.send_request(get("/who"))).await.unwrap();
    let _shaking_hands = TcpStream::connect(server.address).await.unwrap();
    let _unused = server.connect(&["http/1.1"]).await.unwrap();
    let _unused_http2 = server.connect(&["h2"]).await.unwrap();
    server.shutdown.trigger();
    soon(server.served).await.unwrap();
}

#[tokio::test]
async fn a_request_that_exceeds_the_drain_deadline_is_cut() {
    for http2 in [false, true] {
        let mut held = held();
        let server = start(
            held.router,
            ServeLimits {
                drain: SHORT,
                ..ServeLimits::default()
            },
        );
        let asked = if http2 {
            let mut client = server.http2().await;
            tokio::spawn(async move { client.send_request(get("/held")).await.map(drop) })
        } else {
            let mut client = server.http1().await;
            tokio::spawn(async move { client.send_request(get("/held")).await.map(drop) })
        };
        soon(held.begun.recv()).await.unwrap();
        server.shutdown.trigger();
        soon(server.served).await.unwrap();
        // The handler itself is gone by now, not only its connection.
        assert_eq!(held.begun.try_recv(), Err(TryRecvError::Disconnected));
        soon(asked).await.unwrap().unwrap_err();
        assert_eq!(server.metrics.cut("drain").get(), 1);
    }
}

#[tokio::test]
async fn a_forced_stop_does_not_drain() {
    let mut held = held();
    let limits = ServeLimits {
        drain: Duration::from_secs(3600),
        ..ServeLimits::default()
    };
    let server = start(held.router, limits);
    let mut client = server.http2().await;
    let asked = tokio::spawn(async move { client.send_request(get("/held")).await.map(drop) });
    soon(held.begun.recv()).await.unwrap();
    server.shutdown.force();
    soon(server.served).await.unwrap();
    soon(asked).await.unwrap().unwrap_err();
}

#[tokio::test]
async fn a_server_that_is_dropped_takes_its_connections_along() {
    let mut held = held();
    let server = start(held.router, ServeLimits::default());
    let mut client = server.http2().await;
    let asked = tokio::spawn(async move { client.send_request(get("/held")).await.map(drop) });
    soon(held.begun.recv()).await.unwrap();
    server.served.abort();
    soon(asked).await.unwrap().unwrap_err();
    assert!(soon(held.begun.recv()).await.is_none());
}
