//! Filled, seen or given back.

use esi_client::testing::{Fault, Method};
use esi_core::{Classify as _, Code, Generation, Retry};
use esi_node::fill::Fill as _;
use esi_node::request::Delivery;
use serde_json::json;

use crate::world::{World, plan, publish, with};

#[tokio::test]
async fn a_volume_is_filled_with_the_pods_own_token_and_acknowledged_once_it_is_seen() {
    let world = World::new().await;
    let volume = publish(&plan());
    let filled = world.fill(&volume).await.unwrap();
    assert_eq!(filled.generation, Generation::FIRST);
    assert!(filled.expires_in.is_some());
    assert_eq!(world.read("password"), world.fake.password(1));
    assert!(world.read("conf/db.json").contains(&world.fake.password(1)));
    assert!(
        world.fake.calls_of(Method::Acknowledge).is_empty(),
        "nobody sees it yet"
    );

    world.fill.shown(&volume, &filled).await;
    let call = &world.fake.calls_of(Method::Acknowledge)[0];
    assert_eq!((call.binding.as_str(), call.generation), ("db", 1));
    for call in world.fake.calls() {
        assert_eq!(call.authorization, "Bearer the-pods");
        assert_eq!(call.instance, "", "a pod is known by its token");
    }
    // What is seen is not taken back.
    world.fill.give_back(&volume).await;
    assert!(world.fake.calls_of(Method::Revoke).is_empty());
}

#[tokio::test]
async fn what_was_filled_and_is_never_seen_is_given_back_once() {
    let world = World::new().await;
    let volume = publish(&plan());
    world.fill(&volume).await.unwrap();
    world.fill.give_back(&volume).await;
    world.fill.give_back(&volume).await;
    let revoked = world.fake.calls_of(Method::Revoke);
    assert_eq!(revoked.len(), 1);
    assert_eq!(
        (revoked[0].binding.as_str(), revoked[0].authorization.as_str()),
        ("db", "Bearer the-pods")
    );
}

#[tokio::test]
async fn an_issue_whose_end_nobody_waited_for_is_given_back() {
    let world = World::new().await;
    let volume = publish(&plan());
    world.fake.fault(Method::Issue, 1, &Fault::Hang);
    tokio::select! {
        _ = world.fill(&volume) => panic!("it cannot be filled"),
        _ = world.fake.wait(Method::Issue, 1) => {}
    }
    world.fill.give_back(&volume).await;
    assert_eq!(world.fake.calls_of(Method::Revoke).len(), 1);
}

#[tokio::test]
async fn a_refusal_of_the_server_is_told_to_the_pod_and_there_is_nothing_to_give_back() {
    let world = World::new().await;
    let volume = publish(&plan());
    world.fake.refuse(Method::Issue, 1, tonic::Code::PermissionDenied);
    let error = world.fill(&volume).await.unwrap_err();
    assert_eq!((error.code(), error.retry()), (Code::Unavailable, Retry::Never));
    assert_eq!(
        error.to_string(),
        "no credential from server `default`: the server said PermissionDenied: as the test said"
    );
    world.fill.give_back(&volume).await;
    assert!(world.fake.calls_of(Method::Revoke).is_empty());
}

#[tokio::test]
async fn a_value_that_does_not_fit_is_named_never_shown_and_given_back() {
    let world = World::new().await;
    let files = json!([{"path": "x", "key": "nope"}]);
    let volume = publish(&with(|plan| plan["files"] = files));
    let error = world.fill(&volume).await.unwrap_err();
    assert_eq!(error.code(), Code::Unavailable);
    let text = error.to_string();
    assert!(text.contains("files[0] `x`") && text.contains("`nope`"), "{text}");
    assert!(!text.contains(&world.fake.password(1)));
    world.fill.give_back(&volume).await;
    assert_eq!(world.fake.calls_of(Method::Revoke).len(), 1);
}

#[tokio::test]
async fn a_rotation_takes_the_place_of_what_is_shown_and_nothing_is_given_back() {
    let world = World::new().await;
    let volume = publish(&plan());
    world.fill(&volume).await.unwrap();
    let rotated = world.fill.rotate(&volume, world.root()).await.unwrap();
    assert_eq!(rotated.generation, Generation::new(2));
    assert_eq!(world.read("password"), world.fake.password(2));
    let issues = world.fake.calls_of(Method::Issue);
    assert_eq!([issues[0].rotate, issues[1].rotate], [false, true]);
    world.fill.shown(&volume, &rotated).await;
    world.fill.give_back(&volume).await;
    assert!(world.fake.calls_of(Method::Revoke).is_empty());
}

#[tokio::test]
async fn a_rotation_that_fails_leaves_what_is_shown() {
    let world = World::new().await;
    let volume = publish(&plan());
    let filled = world.fill(&volume).await.unwrap();
    world.fill.shown(&volume, &filled).await;
    world.fake.refuse(Method::Issue, 1, tonic::Code::PermissionDenied);
    let error = world.fill.rotate(&volume, world.root()).await.unwrap_err();
    assert_eq!(error.retry(), Retry::Never);
    assert_eq!(world.read("password"), world.fake.password(1));
    world.fill.give_back(&volume).await;
    assert!(world.fake.calls_of(Method::Revoke).is_empty());
}

#[tokio::test]
async fn root_does_not_write_where_a_pod_may_write() {
    let world = World::new().await;
    for user in [None, Some(0)] {
        let mut volume = publish(&plan());
        volume.delivery = Delivery::Init;
        volume.owner.user = user;
        let error = world.fill.rotate(&volume, world.root()).await.unwrap_err();
        assert_eq!(error.kind(), "fill_writable");
        assert_eq!(error.retry(), Retry::Never);
    }
    assert!(world.fake.calls().is_empty(), "nothing is issued for it");
}
