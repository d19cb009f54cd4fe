use std::time::Duration;

use tokio::time::Instant;
use tonic::metadata::MetadataMap;
use tonic::{Code, Status};

use crate::world::{ONE_FILE, World, token};
use esi_client::testing::{Fault, Method};

fn asks_to_wait(seconds: u64) -> Fault {
    let mut metadata = MetadataMap::new();
    metadata.insert(esi_api::status::RETRY_AFTER, seconds.into());
    Fault::Refuse(Status::with_metadata(Code::ResourceExhausted, "busy", metadata))
}

#[tokio::test]
async fn a_retry_carries_the_same_request_id_and_the_next_start_another() {
    let world = World::new().await;
    world.fake.refuse(Method::Issue, 2, Code::Unavailable);
    world.cli("init", ONE_FILE).finish().await.ended_with(0, &world);
    world.cli("init", ONE_FILE).finish().await.ended_with(0, &world);
    let ids: Vec<String> = world
        .fake
        .calls_of(Method::Issue)
        .into_iter()
        .map(|call| call.request_id)
        .collect();
    assert_eq!(ids.len(), 4);
    assert!(
        ids[0] == ids[1] && ids[1] == ids[2] && ids[2] != ids[3],
        "{ids:?}"
    );
}

#[tokio::test]
async fn every_kind_of_call_is_retried() {
    let world = World::new().await;
    world.fake.refuse(Method::Acknowledge, 1, Code::Unavailable);
    world.fake.refuse(Method::Revoke, 1, Code::Unavailable);
    world
        .cli("run", ONE_FILE)
        .args(&["--", "true"])
        .finish()
        .await
        .ended_with(0, &world);
    assert_eq!(world.fake.calls_of(Method::Acknowledge).len(), 2);
    assert_eq!(world.fake.calls_of(Method::Revoke).len(), 2);
}

#[tokio::test]
async fn what_the_server_asks_to_wait_is_waited_and_the_token_is_read_anew() {
    let world = World::new().await;
    world.fake.fault(Method::Issue, 1, &asks_to_wait(1));
    let running = world.cli("init", ONE_FILE).start();
    world.fake.wait(Method::Issue, 1).await;
    let newer = token(&serde_json::json!({"aud": ["esi"], "jti": "newer"}));
    world.write("token", &newer);
    running.finish().await.ended_with(0, &world);
    let calls = world.fake.calls_of(Method::Issue);
    assert!(calls[1].at - calls[0].at >= Duration::from_secs(1));
    assert_ne!(calls[0].authorization, calls[1].authorization);
    assert_eq!(calls[1].authorization, format!("Bearer {newer}"));
}

#[tokio::test]
async fn a_server_that_asks_to_wait_beyond_the_deadline_is_not_waited_for() {
    let world = World::new().await;
    world.fake.fault(Method::Issue, 9, &asks_to_wait(600));
    let finished = world.cli("init", ONE_FILE).finish().await;
    finished
        .ended_with(4, &world)
        .said(&["asks to wait 10m", "longer than the deadline"]);
    assert_eq!(world.fake.calls_of(Method::Issue).len(), 1);
}

#[tokio::test]
async fn the_deadline_ends_a_call_that_hangs_and_is_told_to_the_server() {
    let world = World::new().await;
    world.fake.fault(Method::Issue, 9, &Fault::Hang);
    let start = Instant::now();
    let finished = world
        .cli("init", ONE_FILE)
        .args(&["--deadline", "500ms"])
        .finish()
        .await;
    finished
        .ended_with(4, &world)
        .said(&[
            "binding `db`",
            "server `default` at https://localhost:",
            "deadline",
        ])
        .said(&["no answer within ", "the server's log"]);
    let took = start.elapsed();
    assert!(
        (Duration::from_millis(500)..Duration::from_secs(5)).contains(&took),
        "{took:?}"
    );
}

#[tokio::test]
async fn an_outage_longer_than_the_deadline_is_told_with_the_attempts() {
    let world = World::new().await;
    world.fake.refuse(Method::Issue, 99, Code::Unavailable);
    let finished = world
        .cli("init", ONE_FILE)
        .args(&["--deadline", "1s"])
        .finish()
        .await;
    finished
        .ended_with(4, &world)
        .said(&["attempt(s)", "Unavailable: as the test said"]);
    let ids = world.fake.calls_of(Method::Issue);
    assert!(ids.len() >= 3 && ids.iter().all(|call| call.request_id == ids[0].request_id));
}

#[tokio::test]
async fn nobody_at_the_address_is_unavailable() {
    let world = World::new().await;
    let servers = world
        .servers()
        .to_string()
        .replace(&world.fake.url, "https://localhost:1");
    let finished = world
        .cli("init", ONE_FILE)
        .args(&["--deadline", "300ms", "--servers", &servers])
        .finish()
        .await;
    finished.ended_with(4, &world).said(&[
        "server `default` at https://localhost:1",
        "no connection",
        "check the server's url",
        "refused",
    ]);
}

#[tokio::test]
async fn a_refusal_is_not_retried() {
    for (code, exit) in [
        (Code::Unauthenticated, 3),
        (Code::PermissionDenied, 3),
        (Code::NotFound, 2),
        (Code::InvalidArgument, 2),
        (Code::FailedPrecondition, 4),
    ] {
        let world = World::new().await;
        world.fake.refuse(Method::Issue, 9, code);
        world
            .cli("init", ONE_FILE)
            .finish()
            .await
            .ended_with(exit, &world);
        assert_eq!(world.fake.calls().len(), 1);
    }
}
