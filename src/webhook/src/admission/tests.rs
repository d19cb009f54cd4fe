//! Reviews are read within bounds, and answers written as the API server reads them.

use axum::body::{Body, Bytes};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::body::{BodyError, Held, MAX_BYTES};
use super::*;
use crate::mutate::Patch;

/// A review of a pod's creation.
fn review() -> Value {
    json!({
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "request": {
            "uid": "u-1",
            "kind": {"group": "", "version": "v1", "kind": "Pod"},
            "resource": {"group": "", "version": "v1", "resource": "pods"},
            "requestKind": {"group": "", "version": "v1", "kind": "Pod"},
            "namespace": "shop",
            "operation": "CREATE",
            "userInfo": {"username": "system:serviceaccount:kube-system:replicaset-controller"},
            "object": {"metadata": {"generateName": "web-"}, "spec": {}},
            "oldObject": null,
            "dryRun": false,
            "options": {"kind": "CreateOptions", "apiVersion": "meta.k8s.io/v1"}
        }
    })
}

fn changed(pointer: &str, value: Value) -> Value {
    let mut review = review();
    let (parent, key) = pointer.rsplit_once('/').unwrap();
    review.pointer_mut(parent).unwrap()[key] = value;
    review
}

fn without(pointer: &str) -> Value {
    let mut review = review();
    let (parent, key) = pointer.rsplit_once('/').unwrap();
    let parent = review.pointer_mut(parent).unwrap().as_object_mut().unwrap();
    parent.remove(key).unwrap();
    review
}

/// Reads a review that nobody else holds.
fn read(review: &Value) -> Result<Review<'static>, BadReview> {
    Review::read(review.to_string().leak().as_bytes())
}

#[test]
fn a_pods_creation_is_its_namespace_and_the_pod_as_it_stands() {
    let body = review().to_string();
    let Review { uid, subject } = Review::read(body.as_bytes()).unwrap();
    assert_eq!(uid, "u-1");
    let Subject::Pod {
        namespace,
        pod,
        dry_run,
    } = subject
    else {
        panic!("it is a pod's creation");
    };
    assert_eq!(namespace.as_str(), "shop");
    assert_eq!(pod.to_tree(), review()["request"]["object"]);
    assert!(!dry_run);
}

#[test]
fn a_dry_run_is_read_as_what_it_tries_and_known_as_one() {
    let read = |dry_run| format!("{:?}", read(&changed("/request/dryRun", json!(dry_run))).unwrap());
    assert!(read(true).contains("dry_run: true"), "{}", read(true));
    assert_eq!(read(true).replace("dry_run: true", "dry_run: false"), read(false));
}

#[test]
fn a_text_with_escapes_is_read_as_what_it_says() {
    let body = review()
        .to_string()
        .replace("\"CREATE\"", r#""\u0043REATE""#)
        .replace("\"u-1\"", r#""u\u002d1""#);
    let review = Review::read(body.as_bytes()).unwrap();
    assert_eq!(review.uid, "u-1");
    assert!(matches!(review.subject, Subject::Pod { .. }));
}

#[test]
fn what_is_no_creation_of_a_pod_is_none_of_our_business() {
    for (pointer, value, why) in [
        ("/request/kind/kind", json!("Deployment"), "not_a_pod"),
        ("/request/kind/group", json!("metrics.k8s.io"), "not_a_pod"),
        ("/request/resource/resource", json!("podtemplates"), "not_a_pod"),
        (
            "/request/subResource",
            json!("ephemeralcontainers"),
            "subresource",
        ),
        ("/request/operation", json!("UPDATE"), "not_create"),
        ("/request/operation", json!("DELETE"), "not_create"),
    ] {
        let Review { subject, .. } = read(&changed(pointer, value)).unwrap();
        let Subject::Other(found) = subject else {
            panic!("{pointer} was taken");
        };
        assert_eq!(found, why);
    }
    // A deletion has no object, and is not read for one.
    let mut deletion = changed("/request/operation", json!("DELETE"));
    deletion["request"]["object"] = Value::Null;
    assert!(read(&deletion).is_ok());
}

#[test]
fn a_review_that_nobody_can_be_answered_is_refused() {
    for bad in [
        "",
        "null",
        "[]",
        "{",
        "{}",
        "\u{0}",
        r#"{"apiVersion":1}"#,
        r#"{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview"}"#,
    ] {
        assert!(Review::read(bad.as_bytes()).is_err(), "{bad:?} was taken");
    }
    assert!(Review::read(&[0xff, 0xfe]).is_err());
    assert!(Review::read(&review().to_string().as_bytes()[..100]).is_err());
    for (pointer, value) in [
        ("/apiVersion", json!("admission.k8s.io/v1beta1")),
        ("/kind", json!("Status")),
        ("/request", json!([])),
        ("/request/uid", json!("")),
        ("/request/uid", json!("u".repeat(129))),
        ("/request/uid", json!(7)),
    ] {
        let error = read(&changed(pointer, value)).unwrap_err();
        assert!(!matches!(error, BadReview::Request { .. }), "{pointer}: {error}");
    }
    assert!(matches!(read(&without("/request/uid")), Err(BadReview::NoUid)));
}

#[test]
fn a_review_with_a_uid_is_answered_whatever_else_is_wrong() {
    for (bad, what) in [
        (without("/request/object"), "no object"),
        (changed("/request/object", Value::Null), "no object"),
        (changed("/request/object", json!([1])), "no object"),
        (without("/request/operation"), "operation"),
        (without("/request/kind"), "kind"),
        (without("/request/namespace"), "namespace"),
        (changed("/request/namespace", json!("No\nNamespace")), "namespace"),
        (changed("/request/operation", json!(["CREATE"])), "invalid type"),
    ] {
        let Err(BadReview::Request { uid, problem }) = read(&bad) else {
            panic!("{what}: it is not answered");
        };
        assert_eq!(uid, "u-1");
        assert!(problem.contains(what) && !problem.contains('\n'), "{problem}");
    }
}

/// A review with this JSON in place of the text `"HERE"`.
fn with_raw(pointer: &str, raw: &str) -> Vec<u8> {
    changed(pointer, json!("HERE"))
        .to_string()
        .replace("\"HERE\"", raw)
        .into_bytes()
}

#[test]
fn nesting_costs_no_stack_wherever_it_is() {
    let deep = format!("{}{}", "[".repeat(500_000), "]".repeat(500_000));
    // Where nothing is read, it does not matter; in the pod, it is refused.
    for skipped in [
        "/request/userInfo",
        "/request/options",
        "/extra",
        "/request/extra",
    ] {
        assert!(Review::read(&with_raw(skipped, &deep)).is_ok(), "{skipped}");
    }
    for read in ["/request/object", "/request/kind", "/request/namespace"] {
        let error = Review::read(&with_raw(read, &deep)).unwrap_err();
        assert!(matches!(error, BadReview::Request { .. }), "{read}: {error}");
    }
    for read in ["/apiVersion", "/request"] {
        assert!(Review::read(&with_raw(read, &deep)).is_err(), "{read}");
    }
    let open = "[".repeat(3_000_000);
    assert!(Review::read(&with_raw("/request/options", &open)).is_err());
}

fn written(answer: &Answer) -> Value {
    serde_json::from_slice(&response("u-1", answer).unwrap()).unwrap()
}

#[test]
fn a_pod_that_goes_on_as_it_is_gets_no_patch() {
    let expected = json!({
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "response": {"uid": "u-1", "allowed": true}
    });
    assert_eq!(written(&Answer::Untouched("not_asked")), expected);
    assert_eq!(written(&Answer::Complete { warnings: vec![] }), expected);
}

#[test]
fn a_patch_is_base64_of_a_json_patch() {
    let expected = json!([{"op": "add", "path": "/metadata/labels/a~1b", "value": "é"}]);
    let answer = Answer::Patched {
        patch: Patch::of(&expected),
        warnings: vec!["w".to_owned()],
    };
    let response = &written(&answer)["response"];
    assert_eq!(response["patchType"], "JSONPatch");
    assert_eq!(response["warnings"], json!(["w"]));
    let patch = STANDARD.decode(response["patch"].as_str().unwrap()).unwrap();
    let patch: Value = serde_json::from_slice(&patch).unwrap();
    assert_eq!(patch, expected);
}

fn denial(message: String) -> Value {
    let denial = Denial {
        code: 403,
        reason: "unknown_container",
        message,
    };
    written(&Answer::Denied(denial))["response"].clone()
}

#[test]
fn a_denial_says_why_in_a_status() {
    assert_eq!(
        denial("first line\nsecond line".to_owned()),
        json!({
            "uid": "u-1",
            "allowed": false,
            "status": {"code": 403, "reason": "Forbidden", "message": "first line\nsecond line"}
        })
    );
}

#[test]
fn a_message_is_bounded_and_has_no_control_characters() {
    let response = denial("é\u{1b}[31m\0".repeat(10_000));
    let message = response["status"]["message"].as_str().unwrap();
    assert!(
        message.len() <= 4096 && message.ends_with('…'),
        "{}",
        message.len()
    );
    assert!(!message.contains(char::is_control));
}

fn warnings(given: &[String]) -> Vec<String> {
    let answer = Answer::Complete {
        warnings: given.to_vec(),
    };
    serde_json::from_value(written(&answer)["response"]["warnings"].clone()).unwrap()
}

#[test]
fn a_warning_is_one_line_of_at_most_256_bytes() {
    let shown = warnings(&["a\r\nb".to_owned(), "é".repeat(200)]);
    assert_eq!(shown[0], "a  b");
    assert!(
        shown[1].len() <= 256 && shown[1].ends_with('…'),
        "{}",
        shown[1].len()
    );
}

#[test]
fn all_warnings_together_are_bounded_and_the_last_one_says_how_many_are_left_out() {
    let shown = warnings(&vec!["x".repeat(250); 100]);
    let bytes: usize = shown.iter().map(String::len).sum();
    assert!(bytes <= 2048 + 256, "{bytes}");
    assert_eq!(
        shown.last().unwrap(),
        &format!("esi: {} more warnings are left out", 101 - shown.len())
    );
}

/// A body of frames, which announces nothing.
fn frames(frames: Vec<Vec<u8>>) -> Body {
    let frames = frames
        .into_iter()
        .map(|frame| Ok::<_, std::io::Error>(Bytes::from(frame)));
    Body::from_stream(futures_util::stream::iter(frames))
}

#[tokio::test]
async fn a_body_is_taken_up_to_its_bound_whether_or_not_it_announces_itself() {
    let held = Held::default();
    for (bytes, taken) in [(MAX_BYTES, true), (MAX_BYTES + 1, false)] {
        let announced = held.receive(Body::from(vec![b' '; bytes])).await;
        assert_eq!(announced.is_ok(), taken);
        drop(announced);
        let streamed = held
            .receive(frames(vec![vec![b' '; bytes - 1], vec![b' ']]))
            .await;
        assert_eq!(streamed.map(|body| body.bytes.len()).ok(), taken.then_some(bytes));
    }
}

#[tokio::test]
async fn all_bodies_together_are_bounded_and_give_back_their_share() {
    let held = Held::default();
    let full = || held.receive(Body::from(vec![b' '; MAX_BYTES]));
    let mut bodies = Vec::new();
    for _ in 0..8 {
        bodies.push(full().await.unwrap());
    }
    assert_eq!(full().await.unwrap_err(), BodyError::Busy);
    assert_eq!(held.receive(Body::from("x")).await.unwrap_err(), BodyError::Busy);
    bodies.pop();
    assert!(full().await.is_ok());
    drop(bodies);
    assert!(full().await.is_ok());
}

#[tokio::test]
async fn a_body_that_breaks_off_is_refused() {
    let broken = futures_util::stream::iter([Ok(Bytes::from("{")), Err(std::io::Error::other("gone"))]);
    let held = Held::default();
    let error = held.receive(Body::from_stream(broken)).await.unwrap_err();
    assert_eq!(error, BodyError::Broken);
}
