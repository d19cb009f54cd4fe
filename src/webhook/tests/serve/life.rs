//! Changes under load, and the end.

use std::time::Duration;

use esi_resources::injection::Delivery;
use futures_util::future::join_all;
use http_body_util::{BodyExt as _, StreamBody};
use hyper::StatusCode;
use hyper::body::{Bytes, Frame};
use tokio::sync::mpsc;

use super::text;
use super::webhook::{CONFIGURATION, Webhook, full, plain, post, review, soon};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reload_under_load_fails_no_review() {
    let webhook = Webhook::start().await;
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let load = (0..4).map(|_| {
        let (mut stopped, review, webhook) = (stopped.clone(), review("u", &plain()), &webhook);
        async move {
            let mut client = webhook.http2().await;
            let mut answered = 0;
            while !*stopped.borrow_and_update() {
                let response = client.send_request(post(full(review.clone()))).await.unwrap();
                assert_eq!(text(response).await.0, StatusCode::OK);
                answered += 1;
            }
            answered
        }
    });
    let reloads = async {
        for round in 0..3 {
            for (broken, delivery) in [
                ("servers: [", None),
                ("", Some(Delivery::Node)),
                ("", Some(Delivery::Init)),
            ] {
                let Some(delivery) = delivery else {
                    webhook.configure(broken);
                    continue;
                };
                webhook.configure(&format!("{CONFIGURATION}delivery: {delivery}\n# {round}\n"));
                soon(async {
                    while webhook.configuration.get().delivery != delivery {
                        tokio::task::yield_now().await;
                    }
                })
                .await;
            }
        }
        stop.send_replace(true);
    };
    let (answered, ()) = tokio::join!(join_all(load), reloads);
    assert!(answered.iter().all(|answered| *answered > 0), "{answered:?}");
}

#[tokio::test]
async fn a_review_that_is_being_sent_when_the_end_comes_is_still_answered() {
    let webhook = Webhook::start().await;
    let (frames, body) = mpsc::channel::<Result<Frame<Bytes>, std::io::Error>>(2);
    let body = futures_util::stream::unfold(body, async |mut body| Some((body.recv().await?, body)));
    let whole = review("last", &plain());
    let (head, tail) = (whole.slice(..20), whole.slice(20..));
    frames.send(Ok(Frame::data(head))).await.unwrap();
    let mut client = webhook.http1().await;
    let request = post(StreamBody::new(Box::pin(body)).boxed());
    let answer = tokio::spawn(client.send_request(request));
    // The first frame is on its way once there is room for a second and it was taken.
    soon(async {
        while frames.capacity() < 2 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    // A second connection is answered only after the first request's head was read: both ports share one thread.
    assert_eq!(
        webhook.ask(post(full(review("u", &plain())))).await.0,
        StatusCode::OK
    );
    webhook.shutdown.trigger();
    assert_eq!(webhook.admin("/readyz").await.0, StatusCode::SERVICE_UNAVAILABLE);
    frames.send(Ok(Frame::data(tail))).await.unwrap();
    drop(frames);
    let (status, body) = text(soon(answer).await.unwrap().unwrap()).await;
    assert_eq!(status, StatusCode::OK);
    assert!(body.contains("last"), "{body}");
    drop(client);
    soon(webhook.ended).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_review_that_never_ends_is_cut_off_when_the_drain_is_over() {
    let webhook = Webhook::start_with(esi_webhook::app::limits(Duration::from_millis(100))).await;
    let never = StreamBody::new(futures_util::stream::pending::<
        Result<Frame<Bytes>, std::io::Error>,
    >());
    let mut client = webhook.http1().await;
    let answer = tokio::spawn(client.send_request(post(never.boxed())));
    assert_eq!(
        webhook.ask(post(full(review("u", &plain())))).await.0,
        StatusCode::OK
    );
    webhook.shutdown.trigger();
    soon(webhook.ended).await.unwrap().unwrap();
    assert!(soon(answer).await.unwrap().is_err());
}
