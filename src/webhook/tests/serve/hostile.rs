//! What no API server sends.

use std::time::Duration;

use esi_webhook::app;
use http_body_util::{BodyExt as _, StreamBody};
use hyper::StatusCode;
use hyper::body::{Bytes, Frame};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::webhook::{Body, Webhook, full, plain, post, review, soon};
use super::{answered, text};

/// More than a review may have.
const TOO_MANY: usize = 3 * 1024 * 1024 + 1;

/// A body that announces no length.
fn chunked(bytes: &[u8]) -> Body {
    let frames: Vec<_> = bytes
        .chunks(64 * 1024)
        .map(|chunk| Ok(Frame::data(Bytes::copy_from_slice(chunk))))
        .collect();
    StreamBody::new(futures_util::stream::iter(frames)).boxed()
}

#[tokio::test]
async fn a_body_that_announces_too_much_is_refused_before_it_is_sent() {
    let webhook = Webhook::start().await;
    let mut stream = webhook.connect("http/1.1").await;
    let head = format!(
        "POST /mutate HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: {TOO_MANY}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = [0; 12];
    soon(stream.read_exact(&mut answer)).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 413");
}

#[tokio::test]
async fn a_body_that_grows_too_large_is_refused() {
    let webhook = Webhook::start().await;
    let mut client = webhook.http2().await;
    let response = client
        .send_request(post(chunked(&vec![b' '; TOO_MANY])))
        .await
        .unwrap();
    assert_eq!(response.status(), StatusCode::PAYLOAD_TOO_LARGE);
    // The connection goes on.
    let (status, _) = text(
        client
            .send_request(post(chunked(&review("u", &plain()))))
            .await
            .unwrap(),
    )
    .await;
    assert_eq!(status, StatusCode::OK);
}

#[tokio::test]
async fn a_sender_that_stops_in_the_middle_is_answered_after_a_while() {
    let mut limits = app::limits(Duration::ZERO);
    limits.request_timeout = Duration::from_millis(200);
    let webhook = Webhook::start_with(limits).await;
    let mut stream = webhook.connect("http/1.1").await;
    let head = "POST /mutate HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{";
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = [0; 12];
    soon(stream.read_exact(&mut answer)).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 504");
}

#[tokio::test]
async fn nesting_is_refused_and_the_server_goes_on() {
    let webhook = Webhook::start().await;
    let deep = format!(
        "{}{}",
        "{\"a\":".repeat(100_000),
        "1".to_owned() + &"}".repeat(100_000)
    );
    let body = String::from_utf8(review("u-deep", &json!("HERE")).to_vec())
        .unwrap()
        .replace("\"HERE\"", &deep);
    let (status, body) = webhook.ask(post(full(body))).await;
    assert_eq!(status, StatusCode::OK);
    let response = answered(&body);
    assert_eq!(
        (&response["uid"], &response["allowed"]),
        (&json!("u-deep"), &json!(false))
    );
    assert_eq!(response["status"]["code"], 400);
    let (status, _) = webhook.ask(post(full("[".repeat(3_000_000)))).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert_eq!(
        webhook.ask(post(full(review("u", &plain())))).await.0,
        StatusCode::OK
    );
}

#[tokio::test]
async fn what_is_no_review_is_refused_with_what_it_should_be() {
    let webhook = Webhook::start().await;
    let beta = String::from_utf8(review("u", &plain()).to_vec())
        .unwrap()
        .replace("admission.k8s.io/v1", "admission.k8s.io/v1beta1");
    for (body, text) in [
        ("", "AdmissionReview"),
        ("{}", "admission.k8s.io/v1"),
        ("\u{0}\u{ff}", "AdmissionReview"),
        (&beta, "register this webhook with that version"),
    ] {
        let (status, answer) = webhook.ask(post(full(body.to_owned()))).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{body}");
        assert!(answer.contains(text), "{answer}");
    }
}
