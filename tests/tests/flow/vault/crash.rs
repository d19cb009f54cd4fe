//! The server killed, as `kill -9` does, between every two steps of an issue and of a revocation at Vault.

use esi_tests::issuer::Pod;
use esi_tests::postgres::{Postgres, Release};
use serde_json::json;

use super::world::{SHOP, World};
use crate::vault::backend::shared;

async fn started_killed_at(step: &str) -> World {
    let postgres = Postgres::shared(Release::System);
    // A login that nothing hangs on yet, or that was only for a revocation, ends by its own TTL if we are killed.
    let mut world = World::prepare(shared(), postgres, json!({"token_ttl": "5s"})).await;
    // The sweep of a mint that was cut off goes on until its deadline: a short one makes a short test.
    world.federation.flags(&["--mint-timeout", "2s"]);
    world.federation.start_killed_at(step).unwrap();
    world
}

/// Starts the server again; the pod asks again, as a restarted container does, and has all that there is.
async fn starts_again(world: &mut World, pod: &Pod, step: &str) {
    world.federation.process().wait().unwrap();
    world.federation.start().unwrap();
    let mut client = world.federation.client(pod).await.unwrap();
    let issued = client.issue(SHOP).await.unwrap();
    world
        .holds_only(&[&issued], &format!("after a kill at {step}"))
        .await;
    assert!(world.can_log_in(&issued).await);
    assert_eq!(client.revoke().await.unwrap(), 1);
    world.holds_only(&[], "after the pod's revocation").await;
}

async fn killed_while_issuing(step: &str) {
    let mut world = started_killed_at(step).await;
    let pod = Pod::new();
    let mut client = world.federation.client(&pod).await.unwrap();
    client.issue(SHOP).await.expect_err("the server was killed");
    starts_again(&mut world, &pod, step).await;
}

async fn killed_while_revoking(step: &str) {
    let mut world = started_killed_at(step).await;
    let pod = Pod::new();
    let mut client = world.federation.client(&pod).await.unwrap();
    let issued = client.issue(SHOP).await.unwrap();
    client.acknowledge(1).await.unwrap();
    assert_eq!(client.revoke().await.unwrap(), 1);
    starts_again(&mut world, &pod, step).await;
    assert!(!world.can_log_in(&issued).await);
}

macro_rules! killed {
    ($($name:ident: $how:ident($step:literal);)*) => {
        $(
            #[tokio::test]
            async fn $name() {
                $how($step).await;
            }
        )*
    };
}

killed! {
    killed_when_the_intent_is_durable: killed_while_issuing("issue/begun");
    killed_when_it_is_logged_in: killed_while_issuing("vault/logged-in");
    killed_when_the_logins_accessor_is_recorded: killed_while_issuing("vault/accessor-recorded");
    killed_when_the_user_exists: killed_while_issuing("vault/credentials-received");
    killed_before_the_lease_is_active: killed_while_issuing("issue/minted");
    killed_when_the_lease_is_active: killed_while_issuing("issue/activated");
    killed_before_the_answer: killed_while_issuing("issue/held");
    killed_when_vault_has_ended_the_lease: killed_while_revoking("vault/lease-revoked");
    killed_when_vault_has_ended_the_leases_login: killed_while_revoking("vault/accessor-revoked");
}
