//! The life of a lease, with each way to log in.

use std::sync::atomic::Ordering;
use std::time::Duration;

use esi_core::{Ends, Handle, chain};
use esi_generators::GeneratorError;
use serde_json::json;

use super::backend::*;
use super::support::*;

#[tokio::test]
async fn an_approle_lease_hangs_on_a_login_of_its_own_and_its_end_leaves_nothing() {
    let bao = shared();
    let mount = ssh_engine(bao).await;
    let auth = approle(bao, &otp_policy(&mount), json!({"token_ttl": "1m"})).await;
    let esi = otp_manifest(bao, &mount, auth).build();

    let issued = esi.issue().await.unwrap();
    assert_eq!(
        esi.steps.take(),
        [
            "vault/logged-in",
            "recorded",
            "vault/accessor-recorded",
            "vault/credentials-received"
        ]
    );
    let accessor = issued.handle.text("accessor").unwrap();
    assert!(accessor_lives(bao, accessor).await);
    let lease = issued.handle.text("lease_id").unwrap();
    assert!(lease.starts_with(&format!("{mount}/creds/otp/")), "{lease}");
    assert_eq!((issued.expires_in, issued.ends), (HOUR, Ends::AtOnce));

    esi.revoke(&issued.handle).await.unwrap();
    assert_eq!(
        esi.steps.take(),
        ["access ended", "vault/lease-revoked", "vault/accessor-revoked"]
    );
    assert!(!otp_works(bao, &mount, &value(&issued, "key")).await);
    assert!(!accessor_lives(bao, accessor).await);
    assert_eq!(leases(bao, &mount).await, [""; 0]);
    // Once more, as after a crash before the ledger was told.
    esi.revoke(&issued.handle).await.unwrap();
}

#[tokio::test]
async fn the_servers_own_logins_are_ended_and_only_the_leases_login_stays() {
    let bao = shared();
    let mount = ssh_engine(bao).await;
    let auth = approle(bao, &otp_policy(&mount), json!({})).await;
    let esi = otp_manifest(bao, &mount, auth).build();
    let first = esi.issue().await.unwrap();
    let second = esi.issue().await.unwrap();
    esi.revoke(&first.handle).await.unwrap();
    assert_eq!(
        logins_of(bao, &mount).await,
        [second.handle.text("accessor").unwrap().to_owned()]
    );
}

#[tokio::test]
async fn a_jwt_login_carries_a_lease_too() {
    let bao = shared();
    let mount = ssh_engine(bao).await;
    let auth = jwt_method(bao, &otp_policy(&mount)).await;
    let esi = otp_manifest(bao, &mount, auth).build();
    let issued = esi.issue().await.unwrap();
    assert!(issued.handle.text("accessor").is_some());
    esi.revoke(&issued.handle).await.unwrap();
    assert!(!otp_works(bao, &mount, &value(&issued, "key")).await);
}

#[tokio::test]
async fn a_kubernetes_login_carries_a_lease_too() {
    let bao = shared();
    let mount = ssh_engine(bao).await;
    let auth = kubernetes_method(bao, &otp_policy(&mount)).await;
    let esi = otp_manifest(bao, &mount, auth).build();
    let issued = esi.issue().await.unwrap();
    assert!(issued.handle.text("accessor").is_some());
    esi.revoke(&issued.handle).await.unwrap();
    assert!(!otp_works(bao, &mount, &value(&issued, "key")).await);
}

#[tokio::test]
async fn with_a_shared_token_the_lease_id_alone_is_kept_and_the_token_lives_on() {
    let bao = shared();
    let mount = ssh_engine(bao).await;
    let (auth, token) = shared_token(bao, &otp_policy(&mount)).await;
    let esi = otp_manifest(bao, &mount, auth).build();
    let issued = esi.issue().await.unwrap();
    assert_eq!(
        esi.steps.take(),
        ["vault/logged-in", "vault/credentials-received"]
    );
    assert_eq!(issued.handle.text("accessor"), None);
    esi.revoke(&issued.handle).await.unwrap();
    assert!(!otp_works(bao, &mount, &value(&issued, "key")).await);
    bao.with_token(&token)
        .get("auth/token/lookup-self")
        .await
        .unwrap();
}

#[tokio::test]
async fn a_child_of_a_token_role_outlives_the_shared_token_and_carries_the_intents_name() {
    let bao = shared();
    let mount = ssh_engine(bao).await;
    let role = token_role(bao, &otp_policy(&mount), json!({"orphan": true})).await;
    let create = format!("path \"auth/token/create/{role}\" {{ capabilities = [\"update\"] }}");
    let (auth, token) = shared_token(bao, &format!("{}{create}", otp_policy(&mount))).await;
    let esi = otp_manifest(bao, &mount, auth).token_role(&role).build();

    let issued = esi.issue().await.unwrap();
    let accessor = issued.handle.text("accessor").unwrap();
    let child = bao
        .put("auth/token/lookup-accessor", json!({"accessor": accessor}))
        .await
        .unwrap();
    let name = child["data"]["meta"]["esi_intent"].as_str().unwrap();
    assert!(name.starts_with("esi-"), "{name}");

    bao.with_token(&token)
        .put("auth/token/revoke-self", json!({}))
        .await
        .unwrap();
    assert!(accessor_lives(bao, accessor).await);
    assert!(otp_works(bao, &mount, &value(&issued, "key")).await);
}

#[tokio::test]
async fn a_token_role_without_orphans_is_refused_and_leaves_no_token() {
    let bao = shared();
    let mount = ssh_engine(bao).await;
    let role = token_role(bao, &otp_policy(&mount), json!({"orphan": false})).await;
    let create = format!("path \"auth/token/create/{role}\" {{ capabilities = [\"update\"] }}");
    let (auth, _) = shared_token(bao, &format!("{}{create}", otp_policy(&mount))).await;
    let esi = otp_manifest(bao, &mount, auth).token_role(&role).build();
    let error = esi.issue().await.unwrap_err();
    assert!(chain(&error).contains("orphan=true"), "{}", chain(&error));
    assert!(esi.steps.take().is_empty());
    assert_eq!(leases(bao, &mount).await, [""; 0]);
    assert_eq!(
        tokens_with_path(bao, &format!("auth/token/create/{role}")).await,
        [""; 0]
    );
}

#[tokio::test]
async fn logins_that_cannot_carry_a_lease_are_refused_with_what_to_set() {
    let bao = shared();
    let mount = ssh_engine(bao).await;
    for (role, words) in [
        (json!({"token_type": "batch"}), "token_type"),
        (json!({"token_num_uses": 3}), "token_num_uses"),
    ] {
        let auth = approle(bao, &otp_policy(&mount), role).await;
        let error = otp_manifest(bao, &mount, auth).build().issue().await.unwrap_err();
        assert!(
            matches!(error, GeneratorError::Misconfigured { .. }) && chain(&error).contains(words),
            "{}",
            chain(&error)
        );
    }
    assert_eq!(leases(bao, &mount).await, [""; 0]);
}

#[tokio::test]
async fn where_the_ledger_takes_nothing_nothing_is_minted_and_the_login_ends() {
    let bao = shared();
    let mount = ssh_engine(bao).await;
    let auth = approle(bao, &otp_policy(&mount), json!({})).await;
    let esi = otp_manifest(bao, &mount, auth).build();
    esi.steps.full.store(true, Ordering::Relaxed);
    assert!(matches!(
        esi.issue().await.unwrap_err(),
        GeneratorError::NotRecorded(_)
    ));
    assert_eq!(esi.steps.take(), ["vault/logged-in"]);
    assert_eq!(leases(bao, &mount).await, [""; 0]);
    assert_eq!(logins_of(bao, &mount).await, [""; 0]);
}

#[tokio::test]
async fn a_lease_whose_id_was_lost_ends_through_its_recorded_accessor() {
    let bao = shared();
    let mount = ssh_engine(bao).await;
    let auth = approle(bao, &otp_policy(&mount), json!({})).await;
    let esi = otp_manifest(bao, &mount, auth).build();
    let issued = esi.issue().await.unwrap();
    esi.steps.take();

    let recorded = esi.steps.last_record().unwrap();
    assert_eq!(recorded.text("lease_id"), None);
    esi.revoke(&recorded).await.unwrap();
    assert_eq!(esi.steps.take(), ["vault/accessor-revoked"]);
    eventually("Vault has ended what hung on the login", async || {
        leases(bao, &mount).await.is_empty()
    })
    .await;
    assert!(!otp_works(bao, &mount, &value(&issued, "key")).await);
}

#[tokio::test]
async fn an_intent_without_a_handle_left_nothing_to_end() {
    let bao = shared();
    let auth = approle(bao, OWN_POLICY, json!({})).await;
    let esi = Manifest::new(bao, "nowhere/creds/x", auth).build();
    assert!(!esi.generator.nature().sweeps_by_name);
    esi.revoke(&Handle::default()).await.unwrap();
    assert!(esi.steps.take().is_empty());
}

#[tokio::test]
async fn a_login_shorter_than_its_lease_is_prolonged_up_to_its_maximum() {
    let bao = shared();
    let mount = ssh_engine(bao).await;
    let ttls = json!({"token_ttl": "1m", "token_max_ttl": "10m"});
    let auth = approle(bao, &otp_policy(&mount), ttls).await;
    let esi = otp_manifest(bao, &mount, auth).build();
    let issued = esi.issue_for(HOUR, LONG).await.unwrap();
    assert!(
        issued.expires_in > Duration::from_secs(590) && issued.expires_in <= Duration::from_secs(600),
        "{:?}",
        issued.expires_in
    );
    assert_eq!(issued.max_expires_in, Some(issued.expires_in));
}
