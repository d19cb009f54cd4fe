//! Issue, retry, acknowledge, report, revoke.

use std::time::Duration;

use esi_api::v1;
use esi_tests::eventually;
use esi_tests::federation::{issue_request, request_id, value};
use esi_tests::issuer::{Issuer, Pod};
use esi_tests::postgres::query;
use tonic::Code;

use super::world::{SHOP, World};

#[tokio::test]
async fn a_pod_gets_a_user_of_its_own_with_exactly_its_grants_and_loses_it_when_it_revokes() {
    let world = World::start().await;
    let mut client = world.federation.client(&Pod::new()).await.unwrap();
    let issued = client.issue(SHOP).await.unwrap();
    let (user, password) = (value(&issued, "username"), value(&issued, "password"));

    let mut session = world.fixture.connect(&user, &password).await.unwrap();
    assert_eq!(
        query(&mut session, "SELECT name FROM item").await.unwrap(),
        [["first"]]
    );
    assert!(query(&mut session, "DELETE FROM item").await.is_err());
    assert!(query(&mut session, "CREATE ROLE another").await.is_err());
    let expires = format!(
        "SELECT (rolvaliduntil BETWEEN now() AND now() + '61 min')::text FROM pg_roles WHERE rolname = '{user}'"
    );
    assert_eq!(world.fixture.ask(&expires).await.unwrap(), [["true"]]);

    assert_eq!(client.revoke().await.unwrap(), 1);
    eventually("the user is gone", async || world.users().await.is_empty()).await;
    assert!(!world.can_log_in(&issued).await);
    assert!(
        query(&mut session, "SELECT 1").await.is_err(),
        "the open session was cut"
    );
    assert_eq!(
        client.revoke().await.unwrap(),
        0,
        "a second revocation finds nothing"
    );
}

#[tokio::test]
async fn a_retry_with_the_same_request_id_gets_the_same_value_and_a_new_request_the_next_generation() {
    let world = World::start().await;
    let pod = Pod::new();
    let mut client = world.federation.client(&pod).await.unwrap();
    let request = issue_request(SHOP, "db", &request_id());
    let first = client.issue_as(request.clone()).await.unwrap();
    let again = world
        .federation
        .client(&pod)
        .await
        .unwrap()
        .issue_as(request.clone())
        .await
        .unwrap();
    assert_eq!(value(&again, "password"), value(&first, "password"));
    assert_eq!(again.lease.unwrap().id, first.lease.as_ref().unwrap().id);

    let next = client.issue(SHOP).await.unwrap();
    assert_eq!(next.lease.as_ref().unwrap().generation, 2);
    world.only_user_left(&next).await;
    // The held value belongs to a lease that is not live any more: never two live.
    let late = client.issue_as(request).await.unwrap();
    assert_ne!(value(&late, "password"), value(&first, "password"));
}

#[tokio::test]
async fn after_a_restart_a_retry_gets_a_new_value_and_the_unseen_one_is_revoked() {
    let mut world = World::start().await;
    let pod = Pod::new();
    let request = issue_request(SHOP, "db", &request_id());
    let first = world
        .federation
        .client(&pod)
        .await
        .unwrap()
        .issue_as(request.clone())
        .await
        .unwrap();
    world.federation.process().kill().unwrap();
    world.federation.start().unwrap();
    assert!(
        world.can_log_in(&first).await,
        "a restart revokes nothing by itself"
    );
    let again = world
        .federation
        .client(&pod)
        .await
        .unwrap()
        .issue_as(request)
        .await
        .unwrap();
    world.only_user_left(&again).await;
    assert!(!world.can_log_in(&first).await);
}

#[tokio::test]
async fn an_acknowledged_generation_lives_until_the_next_is_acknowledged_and_the_overlap_is_over() {
    let mut world = World::prepare().await;
    world.federation.flags(&["--overlap", "1s"]);
    world.federation.start().unwrap();
    let mut client = world.federation.client(&Pod::new()).await.unwrap();
    let first = client.issue(SHOP).await.unwrap();
    client.acknowledge(1).await.unwrap();
    let second = client.issue(SHOP).await.unwrap();
    assert!(world.can_log_in(&first).await && world.can_log_in(&second).await);
    client.acknowledge(2).await.unwrap();
    world.only_user_left(&second).await;
    assert_eq!(
        client.acknowledge(1).await.unwrap_err().code(),
        Code::FailedPrecondition
    );
}

#[tokio::test]
async fn a_hundred_parallel_issues_for_one_binding_leave_one_live_lease() {
    let world = World::start().await;
    let client = world.federation.client(&Pod::new()).await.unwrap();
    let issues: Vec<_> = (0..100)
        .map(|_| {
            let mut client = client.clone();
            tokio::spawn(async move { client.issue(SHOP).await })
        })
        .collect();
    let mut last = None;
    for issue in issues {
        let issued = issue.await.unwrap().unwrap();
        let generation = issued.lease.as_ref().unwrap().generation;
        if last.as_ref().is_none_or(|(newest, _)| *newest < generation) {
            last = Some((generation, issued));
        }
    }
    let (generation, newest) = last.unwrap();
    assert_eq!(generation, 100);
    world.only_user_left(&newest).await;
    assert!(world.can_log_in(&newest).await);
}

#[tokio::test]
async fn a_lease_that_nobody_reports_ends_at_its_time_to_live() {
    let world = World::start().await;
    let mut client = world.federation.client(&Pod::new()).await.unwrap();
    let mut request = issue_request(SHOP, "db", &request_id());
    request.ttl = Some(prost_duration(5));
    let issued = client.issue_as(request).await.unwrap();
    assert!(world.can_log_in(&issued).await);
    eventually("the user is gone", async || world.users().await.is_empty()).await;
    assert!(!world.can_log_in(&issued).await);
}

#[tokio::test]
async fn a_lease_that_is_reported_is_renewed_beyond_its_time_to_live() {
    let world = World::start().await;
    let mut client = world.federation.client(&Pod::new()).await.unwrap();
    let mut request = issue_request(SHOP, "db", &request_id());
    request.ttl = Some(prost_duration(8));
    let issued = client.issue_as(request).await.unwrap();
    assert_eq!(client.report(1).await.unwrap().action(), v1::Action::Keep);
    let user = value(&issued, "username");
    let until = format!(
        "SELECT extract(epoch FROM rolvaliduntil)::bigint::text FROM pg_roles WHERE rolname = '{user}'"
    );
    let first = world.fixture.ask(&until).await.unwrap();
    eventually("PostgreSQL shows a later expiry", async || {
        world.fixture.ask(&until).await.unwrap() > first
    })
    .await;
    assert!(world.can_log_in(&issued).await);
    assert_eq!(
        client.report(7).await.unwrap().action(),
        v1::Action::Rotate,
        "a generation it does not have"
    );
}

#[tokio::test]
async fn a_rotation_that_fails_leaves_the_credential_in_use_alone() {
    let world = World::start().await;
    let mut client = world.federation.client(&Pod::new()).await.unwrap();
    let issued = client.issue(SHOP).await.unwrap();
    client.acknowledge(1).await.unwrap();
    let app = &world.fixture.app;
    let rename = async |from: &str, to: &str| {
        world
            .fixture
            .ask(&format!("ALTER ROLE {from} RENAME TO {to}"))
            .await
            .unwrap();
    };
    rename(app, &format!("{app}x")).await;
    client.issue(SHOP).await.expect_err("the role to grant is gone");
    rename(&format!("{app}x"), app).await;
    assert_eq!(client.report(1).await.unwrap().action(), v1::Action::Keep);
    assert!(world.can_log_in(&issued).await);
}

#[tokio::test]
async fn the_authorization_caps_the_time_to_live() {
    let world = World::prepare().await;
    world.federation.allow_for("app", &[SHOP], Some("5m")).unwrap();
    let mut world = world;
    world.federation.start().unwrap();
    let mut client = world.federation.client(&Pod::new()).await.unwrap();
    let mut request = issue_request(SHOP, "db", &request_id());
    request.ttl = Some(prost_duration(3600));
    let lease = client.issue_as(request).await.unwrap().lease.unwrap();
    assert!(lease.expires_in.unwrap().seconds <= 300);
    assert!(lease.max_expires_in.unwrap().seconds <= 300);
}

#[tokio::test]
async fn two_pods_do_not_share_and_one_cannot_end_the_others() {
    let world = World::start().await;
    let (mut one, mut two) = (
        world.federation.client(&Pod::new()).await.unwrap(),
        world.federation.client(&Pod::new()).await.unwrap(),
    );
    let (first, second) = (one.issue(SHOP).await.unwrap(), two.issue(SHOP).await.unwrap());
    assert_ne!(value(&first, "username"), value(&second, "username"));
    assert_eq!(two.revoke().await.unwrap(), 1);
    world.only_user_left(&first).await;
    assert!(world.can_log_in(&first).await);
}

#[tokio::test]
async fn a_caller_without_a_pod_names_its_instance_and_a_pod_must_not() {
    let world = World::start().await;
    let mut claims = Issuer::claims(&Pod::new());
    claims["kubernetes.io"].as_object_mut().unwrap().remove("pod");
    let token = world.federation.issuer.sign(&claims);
    let mut outside = world.federation.client_with(&token).await.unwrap();
    assert_eq!(
        outside.issue(SHOP).await.unwrap_err().code(),
        Code::InvalidArgument
    );
    let mut request = issue_request(SHOP, "db", &request_id());
    request.client_instance = "ci-1".to_owned();
    assert!(outside.issue_as(request.clone()).await.is_ok());
    let mut pod = world.federation.client(&Pod::new()).await.unwrap();
    assert_eq!(
        pod.issue_as(request).await.unwrap_err().code(),
        Code::InvalidArgument
    );
}

#[tokio::test]
async fn a_caller_that_hangs_up_in_the_middle_leaves_nothing_half_done() {
    let world = World::start().await;
    let client = world.federation.client(&Pod::new()).await.unwrap();
    let request = issue_request(SHOP, "db", &request_id());
    for _ in 0..20 {
        let (mut client, request) = (client.clone(), request.clone());
        let cut = tokio::time::timeout(Duration::from_millis(3), client.issue_as(request));
        // Cut or not: the next one must find a consistent state.
        drop(cut.await);
    }
    let mut client = client;
    let issued = client.issue_as(request).await.unwrap();
    world.only_user_left(&issued).await;
}

fn prost_duration(seconds: i64) -> prost_types::Duration {
    prost_types::Duration { seconds, nanos: 0 }
}
