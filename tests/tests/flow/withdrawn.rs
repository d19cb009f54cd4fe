//! What is withdrawn while a request is under way, or between it and its retry.

use esi_tests::eventually;
use esi_tests::federation::{issue_request, request_id};
use esi_tests::issuer::Pod;
use tokio::net::TcpListener;
use tonic::Code;

use super::world::{SHOP, World, manifests};

/// A generator whose backend takes connections and never answers.
const SILENT: &str = "PostgreSQL/platform/silent";

async fn refused(world: &World, pod: &Pod, generator: &str) -> bool {
    let mut client = world.federation.client(pod).await.unwrap();
    let answer = client
        .issue_as(issue_request(generator, "probe", &request_id()))
        .await;
    answer.is_err_and(|status| status.code() == Code::PermissionDenied)
}

#[tokio::test]
async fn a_request_that_waited_for_its_turn_is_judged_when_the_turn_comes() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut world = World::prepare().await;
    let documents = manifests(&world.fixture);
    let port = world.fixture.server.port();
    let other = documents.replace("\"shop\"", "\"silent\"").replace(
        &format!("\"{port}\""),
        &format!("\"{}\"", silent.local_addr().unwrap().port()),
    );
    let both = format!("{documents}---\n{}\n", other.lines().next().unwrap());
    world.federation.write("generators.yaml", &both).unwrap();
    world.federation.allow("app", &[SHOP, SILENT]).unwrap();
    world.federation.flags(&["--mint-timeout", "6s"]);
    world.federation.start().unwrap();
    let pod = Pod::new();
    let issue = async |generator: &str| {
        let mut client = world.federation.client(&pod).await.unwrap();
        client.issue(generator).await.map_err(|status| status.code())
    };

    let first = issue(SILENT);
    let rest = async {
        // The first one has its turn once its backend is called.
        let _called = silent.accept().await.unwrap();
        let second = issue(SHOP);
        let withdraw = async {
            // The second one has come before the right goes: reading the catalog again takes longer than a call.
            eventually("the second one has connected", async || {
                world.metric("esi_connections_accepted_total").await == "2"
            })
            .await;
            world.federation.allow("app", &[SILENT]).unwrap();
            eventually("the right is gone", async || {
                refused(&world, &Pod::new(), SHOP).await
            })
            .await;
        };
        tokio::join!(second, withdraw).0
    };
    let (first, second) = tokio::join!(first, rest);
    assert_eq!(first.unwrap_err(), Code::DeadlineExceeded);
    assert_eq!(second.unwrap_err(), Code::PermissionDenied);
}

#[tokio::test]
async fn a_retry_does_not_get_the_held_value_once_the_right_is_gone() {
    let world = World::start().await;
    let pod = Pod::new();
    let mut client = world.federation.client(&pod).await.unwrap();
    let request = issue_request(SHOP, "db", &request_id());
    client.issue_as(request.clone()).await.unwrap();
    client.issue_as(request.clone()).await.unwrap();
    std::fs::remove_file(world.federation.dir().join("catalog/authorization-app.json")).unwrap();
    eventually("the right is gone", async || {
        refused(&world, &Pod::new(), SHOP).await
    })
    .await;
    let retry = client.issue_as(request).await.unwrap_err();
    assert_eq!(retry.code(), Code::PermissionDenied);
}
