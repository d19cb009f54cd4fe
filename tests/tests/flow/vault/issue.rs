//! Issue and revoke, with each engine.

use esi_tests::federation::value;
use esi_tests::issuer::Pod;
use esi_tests::postgres::{Postgres, Release, query};
use serde_json::json;

use super::world::{OTP, SHOP, World};
use crate::vault::backend::{eventually, shared};

async fn started() -> World {
    let postgres = Postgres::shared(Release::System);
    let mut world = World::prepare(shared(), postgres, json!({"token_ttl": "1m"})).await;
    world.federation.start().unwrap();
    world
}

#[tokio::test]
async fn a_pod_gets_a_database_user_of_its_own_from_vault_and_its_revocation_leaves_nothing() {
    let world = started().await;
    let mut client = world.federation.client(&Pod::new()).await.unwrap();
    let mut other = world.federation.client(&Pod::new()).await.unwrap();
    let issued = client.issue(SHOP).await.unwrap();
    let others = other.issue(SHOP).await.unwrap();
    assert_ne!(value(&issued, "username"), value(&others, "username"));
    let mut session = world
        .fixture
        .connect(&value(&issued, "username"), &value(&issued, "password"))
        .await
        .unwrap();
    assert_eq!(
        query(&mut session, "SELECT name FROM item").await.unwrap(),
        [["first"]]
    );
    assert!(query(&mut session, "DELETE FROM item").await.is_err());
    drop(session);
    world.holds_only(&[&issued, &others], "after two issues").await;

    assert_eq!(client.revoke().await.unwrap(), 1);
    world.holds_only(&[&others], "after one pod's revocation").await;
    assert!(!world.can_log_in(&issued).await);
    assert!(world.can_log_in(&others).await, "it is another pod's");
    assert_eq!(other.revoke().await.unwrap(), 1);
    world.holds_only(&[], "after both").await;
}

#[tokio::test]
async fn a_pod_gets_a_one_time_password_and_its_revocation_leaves_nothing() {
    let world = started().await;
    let mut client = world.federation.client(&Pod::new()).await.unwrap();
    let used = client.issue(OTP).await.unwrap();
    assert_eq!((world.leases().await, world.logins().await.len()), (1, 1));
    assert!(world.otp_works(&used).await);

    // A new request of the same pod: the first one, never acknowledged, is ended.
    let unused = client.issue(OTP).await.unwrap();
    assert_ne!(value(&unused, "key"), value(&used, "key"));
    eventually("the second is all there is", async || {
        (world.leases().await, world.logins().await.len()) == (1, 1)
    })
    .await;
    assert_eq!(client.revoke().await.unwrap(), 1);
    world.holds_only(&[], "after the revocation").await;
    assert!(!world.otp_works(&unused).await);
}
