//! What breaks around the server, and restarts.

use esi_tests::federation::value;
use esi_tests::issuer::Pod;
use esi_tests::openbao::OpenBao;
use esi_tests::postgres::{Postgres, Release};
use serde_json::json;
use tonic::Code;

use super::world::{OTP, SHOP, World};
use crate::vault::backend::{eventually, shared};

#[tokio::test]
async fn while_postgresql_is_down_a_revocation_stays_pending_and_it_is_ended_once_it_is_back() {
    // A fixture's server lives as long as the tests.
    let postgres: &'static Postgres = Box::leak(Box::new(Postgres::start(Release::System).unwrap()));
    let mut world = World::prepare(shared(), postgres, json!({"token_ttl": "1m"})).await;
    world.federation.start().unwrap();
    let mut client = world.federation.client(&Pod::new()).await.unwrap();
    let issued = client.issue(SHOP).await.unwrap();
    let accessors = world.logins().await;

    postgres.stop().unwrap();
    assert_eq!(
        client.revoke().await.unwrap(),
        1,
        "the call does not wait for the backend"
    );
    world.a_revocation_failed().await;
    assert_eq!(world.leases().await, 1, "Vault still has the lease");
    assert!(
        world.logins().await.contains(&accessors[0]),
        "the login that it hangs on was not ended before it"
    );
    let down = client.issue(SHOP).await.unwrap_err();
    assert_eq!(down.code(), Code::Unavailable, "{down}");
    assert!(!down.message().contains(&postgres.port().to_string()), "{down}");

    postgres.start_again().unwrap();
    world.holds_only(&[], "once PostgreSQL is back").await;
    assert!(!world.can_log_in(&issued).await);
    let again = client.issue(SHOP).await.unwrap();
    world.holds_only(&[&again], "after a new issue").await;
}

#[tokio::test]
async fn a_restart_of_vault_ends_no_lease_and_what_is_revoked_while_it_is_sealed_ends_afterwards() {
    let mut bao = OpenBao::durable().await.unwrap();
    let postgres = Postgres::shared(Release::System);
    let mut world = World::prepare(bao.api(), postgres, json!({"token_ttl": "1m"})).await;
    world.federation.start().unwrap();
    let mut shop = world.federation.client(&Pod::new()).await.unwrap();
    let mut otp = world.federation.client(&Pod::new()).await.unwrap();
    let user = shop.issue(SHOP).await.unwrap();
    let password = otp.issue(OTP).await.unwrap();

    bao.restart().unwrap();
    assert_eq!(otp.revoke().await.unwrap(), 1);
    world.a_revocation_failed().await;
    let sealed = otp.issue(OTP).await.unwrap_err();
    assert_eq!(sealed.code(), Code::Unavailable, "{sealed}");
    bao.unseal().await.unwrap();
    world.holds_only(&[&user], "once Vault is open again").await;
    assert!(!world.otp_works(&password).await);
    assert!(world.can_log_in(&user).await);

    // Once more, with nothing under way.
    bao.restart().unwrap();
    bao.unseal().await.unwrap();
    assert!(world.can_log_in(&user).await);
    assert_eq!(shop.revoke().await.unwrap(), 1);
    world.holds_only(&[], "after the revocation").await;
    assert!(!world.can_log_in(&user).await);
}

#[tokio::test]
async fn a_restart_of_the_server_revokes_nothing_and_what_it_issued_before_can_be_revoked() {
    let postgres = Postgres::shared(Release::System);
    let mut world = World::prepare(shared(), postgres, json!({"token_ttl": "1m"})).await;
    world.federation.start().unwrap();
    let pods = [Pod::new(), Pod::new()];
    let mut issued = Vec::new();
    for pod in &pods {
        let mut client = world.federation.client(pod).await.unwrap();
        issued.push(client.issue(SHOP).await.unwrap());
        client.acknowledge(1).await.unwrap();
    }
    for signal in ["TERM", "KILL"] {
        world.federation.process().signal(signal).unwrap();
        world.federation.process().wait().unwrap();
        world.federation.start().unwrap();
        // Another pod's revocation: once it is done, all that was due at the start is done too.
        let mut other = world.federation.client(&Pod::new()).await.unwrap();
        let others = value(&other.issue(SHOP).await.unwrap(), "username");
        other.revoke().await.unwrap();
        eventually("the other pod's user is gone", async || {
            !world.users().await.contains(&others)
        })
        .await;
        world
            .holds_only(&[&issued[0], &issued[1]], &format!("after SIG{signal}"))
            .await;
        assert!(world.can_log_in(&issued[0]).await && world.can_log_in(&issued[1]).await);
    }
    for pod in &pods {
        let mut client = world.federation.client(pod).await.unwrap();
        assert_eq!(client.revoke().await.unwrap(), 1);
    }
    world.holds_only(&[], "after the revocations").await;
}
