//! A real server over TLS, as an API server calls it, and as nobody should.

mod hostile;
mod life;
mod webhook;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper::{Request, StatusCode};
use serde_json::Value;
use webhook::{Webhook, full, plain, post, post_as, review, text};

fn answered(body: &str) -> Value {
    serde_json::from_str::<Value>(body).unwrap()["response"].clone()
}

#[tokio::test]
async fn a_review_is_answered_over_http_1_and_2_with_its_uid() {
    let webhook = Webhook::start().await;
    let (mut one, mut two) = (webhook.http1().await, webhook.http2().await);
    for uid in ["a", "b", "c"] {
        let first = text(one.send_request(post(full(review(uid, &plain())))).await.unwrap()).await;
        let second = text(two.send_request(post(full(review(uid, &plain())))).await.unwrap()).await;
        assert_eq!(first, second);
        assert_eq!(first.0, StatusCode::OK);
        let response = answered(&first.1);
        assert_eq!(
            (&response["uid"], &response["allowed"]),
            (&uid.into(), &true.into())
        );
    }
    let (_, metrics) = webhook.admin("/metrics").await;
    let counted = "esi_webhook_admissions_total{result=\"untouched\",reason=\"not_asked\"} 6";
    assert!(metrics.contains(counted), "{metrics}");
    assert!(
        metrics.contains("esi_webhook_admission_duration_seconds_count 6"),
        "{metrics}"
    );
    assert!(
        metrics.contains("esi_connections_accepted_total 2"),
        "one connection was not kept: {metrics}"
    );
}

#[tokio::test]
async fn the_content_type_is_json_whatever_its_parameters() {
    let webhook = Webhook::start().await;
    let ask = async |content_type| {
        let request = post_as(content_type, full(review("u", &plain())));
        webhook.ask(request).await.0
    };
    for good in [
        "application/json",
        "Application/JSON; charset=utf-8",
        "application/json ;x",
    ] {
        assert_eq!(ask(good).await, StatusCode::OK, "{good}");
    }
    for bad in [
        "text/plain",
        "application/vnd.kubernetes.protobuf",
        "application/json2",
        "",
    ] {
        assert_eq!(ask(bad).await, StatusCode::UNSUPPORTED_MEDIA_TYPE, "{bad}");
    }
    let none = Request::post("https://localhost/mutate")
        .header("host", "localhost")
        .body(full(review("u", &plain())))
        .unwrap();
    assert_eq!(webhook.ask(none).await.0, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    let (_, metrics) = webhook.admin("/metrics").await;
    let counted = "esi_webhook_refused_requests_total{reason=\"content_type\"} 5";
    assert!(metrics.contains(counted), "{metrics}");
}

#[tokio::test]
async fn other_paths_and_methods_are_not_there() {
    let webhook = Webhook::start().await;
    let request = |method: &str, path: &str| {
        Request::builder()
            .method(method)
            .uri(path)
            .header("host", "localhost")
            .body(full(""))
            .unwrap()
    };
    assert_eq!(
        webhook.ask(request("GET", "/mutate")).await.0,
        StatusCode::METHOD_NOT_ALLOWED
    );
    assert_eq!(webhook.ask(request("POST", "/")).await.0, StatusCode::NOT_FOUND);
    assert_eq!(
        webhook.ask(request("GET", "/metrics")).await.0,
        StatusCode::NOT_FOUND
    );
}

/// The pod of [`plain`], with these annotations of ours.
fn asking(annotations: &[(&str, &str)]) -> Value {
    let mut pod = plain();
    for (key, value) in annotations {
        pod["metadata"]["annotations"][format!("esi.external-secrets.io/{key}")] = (*value).into();
    }
    pod
}

#[tokio::test]
async fn a_pod_that_asks_is_patched_once_and_complete_from_then_on() {
    let webhook = Webhook::start().await;
    let mut pod = asking(&[("generator", "Fake/demo/free"), ("files", "db.json=json")]);
    let (_, body) = webhook.ask(post(full(review("u", &pod)))).await;
    let response = answered(&body);
    assert_eq!(
        (&response["allowed"], &response["patchType"]),
        (&true.into(), &"JSONPatch".into())
    );
    let patch = STANDARD.decode(response["patch"].as_str().unwrap()).unwrap();
    let patch: json_patch::Patch = serde_json::from_slice(&patch).unwrap();
    json_patch::patch(&mut pod, &patch).unwrap();
    assert_eq!(pod["spec"]["initContainers"][0]["name"], "esi-init");
    let (_, again) = webhook.ask(post(full(review("u", &pod)))).await;
    assert_eq!(answered(&again)["patch"], Value::Null);
    let (_, metrics) = webhook.admin("/metrics").await;
    for result in ["patched", "complete"] {
        let counted = format!("esi_webhook_admissions_total{{result=\"{result}\",reason=\"asked\"}} 1");
        assert!(metrics.contains(&counted), "{metrics}");
    }
}

#[tokio::test]
async fn a_pod_that_cannot_have_what_it_asks_for_is_denied_and_told_why() {
    let webhook = Webhook::start().await;
    let pod = asking(&[("inject", "db")]);
    let (status, body) = webhook.ask(post(full(review("u", &pod)))).await;
    assert_eq!(status, StatusCode::OK);
    let response = answered(&body);
    assert_eq!(
        (&response["uid"], &response["allowed"]),
        (&"u".into(), &false.into())
    );
    assert_eq!(response["status"]["code"], 403);
    let message = response["status"]["message"].as_str().unwrap();
    assert!(
        message.contains("`db`") && message.contains("`shop`"),
        "{message}"
    );
    let (_, metrics) = webhook.admin("/metrics").await;
    let counted = "esi_webhook_admissions_total{result=\"denied\",reason=\"ask_injection_missing\"} 1";
    assert!(metrics.contains(counted), "{metrics}");
}
