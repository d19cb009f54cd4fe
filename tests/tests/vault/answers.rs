//! What Vault answers, and what becomes of it: result types, other engines, answers without a lease.

use std::time::Duration;

use esi_core::Ends;
use esi_generators::GeneratorError;
use serde_json::json;

use super::backend::*;
use super::support::*;

#[tokio::test]
async fn a_certificate_of_pki_with_generate_lease_is_a_lease_and_its_end_revokes_it() {
    let bao = shared();
    let mount = unique("pki");
    bao.put(&format!("sys/mounts/{mount}"), json!({"type": "pki"}))
        .await
        .unwrap();
    bao.put(
        &format!("{mount}/root/generate/internal"),
        json!({"common_name": "test"}),
    )
    .await
    .unwrap();
    let role = json!({"allow_any_name": true, "generate_lease": true, "max_ttl": "2h"});
    bao.put(&format!("{mount}/roles/web"), role).await.unwrap();
    let policy = format!("path \"{mount}/issue/web\" {{ capabilities = [\"update\"] }}\n{OWN_POLICY}");
    let auth = approle(bao, &policy, json!({})).await;
    let esi = Manifest::new(bao, &format!("{mount}/issue/web"), auth)
        .writing(json!({"common_name": "web.example", "ttl": "30m"}))
        .build();

    let issued = esi.issue().await.unwrap();
    assert!(value(&issued, "certificate").starts_with("-----BEGIN CERTIFICATE-----"));
    assert!(value(&issued, "ca_chain").starts_with("[\""));
    assert!(issued.expires_in <= Duration::from_secs(1800));
    assert!(!issued.renewable);
    esi.revoke(&issued.handle).await.unwrap();
    let serial = value(&issued, "serial_number");
    let certificate = bao.get(&format!("{mount}/cert/{serial}")).await.unwrap();
    assert!(certificate["data"]["revocation_time"].as_u64().unwrap() > 0);
}

#[tokio::test]
async fn a_key_value_secret_only_expires_and_keeps_no_login() {
    let bao = shared();
    let path = unique("secret/data/");
    bao.put(&path, json!({"data": {"user": "u"}})).await.unwrap();
    let policy = format!("path \"{path}\" {{ capabilities = [\"read\"] }}\n{OWN_POLICY}");
    let auth = approle(bao, &policy, json!({})).await;
    let mount = auth.0["appRole"]["path"].as_str().unwrap().to_owned();
    let esi = Manifest::new(bao, &path, auth).build();
    let issued = esi.issue().await.unwrap();
    assert_eq!(value(&issued, "data"), r#"{"user":"u"}"#);
    assert_eq!((issued.ends, issued.expires_in), (Ends::AtExpiry, HOUR));
    assert!(!issued.renewable);
    assert_eq!(issued.handle, esi_core::Handle::default());
    assert_eq!(
        tokens_with_path(bao, &format!("auth/{mount}/login")).await,
        [""; 0]
    );
}

#[tokio::test]
async fn a_token_is_a_credential_that_ends_by_its_accessor() {
    let bao = shared();
    let role = token_role(
        bao,
        "path \"secret/*\" { capabilities = [\"read\"] }",
        json!({"orphan": true}),
    )
    .await;
    let path = format!("auth/token/create/{role}");
    let policy = format!("path \"{path}\" {{ capabilities = [\"update\"] }}\n{OWN_POLICY}");
    let auth = approle(bao, &policy, json!({})).await;
    let esi = Manifest::new(bao, &path, auth)
        .writing(json!({"ttl": "10m"}))
        .set("resultType", json!("Auth"))
        .build();
    let issued = esi.issue().await.unwrap();
    assert_eq!(issued.expires_in, Duration::from_secs(600));
    let pods = bao.with_token(&value(&issued, "client_token"));
    pods.get("auth/token/lookup-self").await.unwrap();
    let renewed = esi.renew(&issued.handle, HOUR).await.unwrap();
    assert_eq!(renewed.expires_in, HOUR);
    esi.revoke(&issued.handle).await.unwrap();
    pods.get("auth/token/lookup-self").await.unwrap_err();
}

#[tokio::test]
async fn the_raw_result_has_every_section() {
    let bao = shared();
    let mount = ssh_engine(bao).await;
    let auth = approle(bao, &otp_policy(&mount), json!({})).await;
    let esi = otp_manifest(bao, &mount, auth)
        .set("resultType", json!("Raw"))
        .build();
    let issued = esi.issue().await.unwrap();
    assert_eq!(
        value(&issued, "lease_id"),
        issued.handle.text("lease_id").unwrap()
    );
    assert!(value(&issued, "data").contains("\"username\":\"web\""));
    esi.revoke(&issued.handle).await.unwrap();
}

#[tokio::test]
async fn a_lease_whose_answer_is_no_credential_can_still_be_found_and_ended() {
    let bao = shared();
    let mount = ssh_engine(bao).await;
    let auth = approle(bao, &otp_policy(&mount), json!({})).await;
    let esi = otp_manifest(bao, &mount, auth)
        .set("resultType", json!("Auth"))
        .build();
    let error = esi.issue().await.unwrap_err();
    assert!(matches!(error, GeneratorError::BadAnswer { .. }), "{error:?}");
    let recorded = esi.steps.last_record().unwrap();
    assert!(recorded.text("lease_id").is_some());
    esi.revoke(&recorded).await.unwrap();
    assert_eq!(leases(bao, &mount).await, [""; 0]);
}

#[tokio::test]
async fn an_empty_answer_is_an_empty_credential_only_where_the_manifest_allows_it() {
    let bao = shared();
    let path = unique("cubbyhole/nothing");
    let auth = approle(bao, OWN_POLICY, json!({})).await;
    let manifest = Manifest::new(bao, &path, auth);
    assert!(matches!(
        manifest.build().issue().await.unwrap_err(),
        GeneratorError::BadAnswer { .. }
    ));
    let allowed = manifest.set("allowEmptyResponse", json!(true)).build();
    assert!(allowed.issue().await.unwrap().credential.is_empty());
}

#[tokio::test]
async fn a_list_and_a_query_are_asked_for_as_the_manifest_says() {
    let bao = shared();
    let folder = unique("list");
    bao.put(&format!("secret/data/{folder}/a"), json!({"data": {"v": "1"}}))
        .await
        .unwrap();
    bao.put(&format!("secret/data/{folder}/a"), json!({"data": {"v": "2"}}))
        .await
        .unwrap();
    let policy = format!("path \"secret/*\" {{ capabilities = [\"read\", \"list\"] }}\n{OWN_POLICY}");
    let auth = approle(bao, &policy, json!({})).await;
    let listed = Manifest::new(bao, &format!("secret/metadata/{folder}"), auth.clone())
        .set("method", json!("LIST"))
        .build();
    assert_eq!(value(&listed.issue().await.unwrap(), "keys"), r#"["a"]"#);
    let old = Manifest::new(bao, &format!("secret/data/{folder}/a"), auth)
        .set("getParameters", json!({"version": ["1"]}))
        .build();
    assert_eq!(value(&old.issue().await.unwrap(), "data"), r#"{"v":"1"}"#);
}

#[tokio::test]
async fn login_and_path_can_be_in_a_namespace() {
    let bao = shared();
    let name = unique("team");
    bao.put(&format!("sys/namespaces/{name}"), json!({}))
        .await
        .unwrap();
    let inside = bao.in_namespace(&name);
    let mount = ssh_engine(&inside).await;
    let auth = approle(&inside, &otp_policy(&mount), json!({})).await;
    let esi = otp_manifest(&inside, &mount, auth)
        .set_provider("namespace", json!(name))
        .build();
    let issued = esi.issue().await.unwrap();
    esi.revoke(&issued.handle).await.unwrap();
    assert!(!otp_works(&inside, &mount, &value(&issued, "key")).await);
    assert!(!accessor_lives(&inside, issued.handle.text("accessor").unwrap()).await);
}
