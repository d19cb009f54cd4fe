use axum::Extension;
use axum::routing::get as route;

use super::*;
use crate::testing::{get, soon, start, text};

fn who() -> Router {
    Router::new().route(
        "/who",
        route(async |Extension(peer): Extension<Peer>| peer.address.ip().to_string()),
    )
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
}
