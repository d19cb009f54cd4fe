//! The server killed, as `kill -9` does, between every two steps of an issue and of a revocation.

use std::collections::BTreeSet;

use esi_tests::eventually;
use esi_tests::federation::value;
use esi_tests::issuer::Pod;

use super::world::{SHOP, World};

/// Kills the server at a step of an issue, starts it again, and looks at PostgreSQL's own list.
async fn killed_while_issuing(step: &str) {
    let mut world = World::prepare().await;
    // The sweep of a mint that was cut off goes on until its deadline: a short one makes a short test.
    world.federation.flags(&["--mint-timeout", "2s"]);
    world.federation.start_killed_at(step).unwrap();
    let pod = Pod::new();
    let mut client = world.federation.client(&pod).await.unwrap();
    client.issue(SHOP).await.expect_err("the server was killed");
    world.federation.process().wait().unwrap();

    world.federation.start().unwrap();
    // The same pod asks again, as a restarted container does.
    let issued = world
        .federation
        .client(&pod)
        .await
        .unwrap()
        .issue(SHOP)
        .await
        .unwrap();
    eventually(&format!("one user is left after a kill at {step}"), async || {
        world.users().await == BTreeSet::from([value(&issued, "username")])
    })
    .await;
    assert!(world.can_log_in(&issued).await);
    let mut client = world.federation.client(&pod).await.unwrap();
    client.revoke().await.unwrap();
    eventually("nothing is left", async || world.users().await.is_empty()).await;
}

/// Kills the server at a step of a revocation; after the next start it is finished.
async fn killed_while_revoking(step: &str) {
    let mut world = World::prepare().await;
    world.federation.start_killed_at(step).unwrap();
    let mut client = world.federation.client(&Pod::new()).await.unwrap();
    let issued = client.issue(SHOP).await.unwrap();
    client.acknowledge(1).await.unwrap();
    client.revoke().await.unwrap();
    world.federation.process().wait().unwrap();
    world.federation.start().unwrap();
    eventually(&format!("the user is gone after a kill at {step}"), async || {
        world.users().await.is_empty()
    })
    .await;
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
    killed_inside_the_transaction: killed_while_issuing("postgresql/created-uncommitted");
    killed_when_the_role_exists: killed_while_issuing("postgresql/committed");
    killed_before_the_lease_is_active: killed_while_issuing("issue/minted");
    killed_when_the_lease_is_active: killed_while_issuing("issue/activated");
    killed_before_the_answer: killed_while_issuing("issue/held");
    killed_when_the_role_cannot_log_in_any_more: killed_while_revoking("postgresql/nologin");
    killed_when_access_has_ended: killed_while_revoking("postgresql/access-ended");
    killed_when_what_it_owned_is_reassigned: killed_while_revoking("postgresql/reassigned");
    killed_when_the_role_is_dropped: killed_while_revoking("postgresql/dropped");
}
