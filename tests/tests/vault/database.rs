//! The database engine in front of a real PostgreSQL: what a lease's end means there.

use std::time::Duration;

use esi_core::Handle;
use esi_generators::{GeneratorError, Issued};
use esi_tests::openbao::Api;
use esi_tests::postgres::{Postgres, Release, query};
use serde_json::{Value, json};

use super::backend::*;
use super::support::*;

/// A database engine in front of `postgres`, with a role `shop` whose leases last `ttl`, at most `max`.
async fn database_engine(bao: &Api, postgres: &Postgres, ttl: &str, max: &str) -> String {
    let mount = unique("database");
    let admin = unique("vaultadmin");
    let mut superuser = postgres.superuser("postgres").await.unwrap();
    query(
        &mut superuser,
        &format!("CREATE ROLE {admin} LOGIN CREATEROLE PASSWORD 'admin'"),
    )
    .await
    .unwrap();
    bao.put(&format!("sys/mounts/{mount}"), json!({"type": "database"}))
        .await
        .unwrap();
    let port = postgres.port();
    let config = json!({
        "plugin_name": "postgresql-database-plugin",
        "connection_url": format!("postgresql://{{{{username}}}}:{{{{password}}}}@127.0.0.1:{port}/postgres?sslmode=disable"),
        "username": admin, "password": "admin", "allowed_roles": "shop",
    });
    bao.put(&format!("{mount}/config/pg"), config).await.unwrap();
    let create = "CREATE ROLE \"{{name}}\" WITH LOGIN PASSWORD '{{password}}' VALID UNTIL '{{expiration}}';";
    bao.put(
        &format!("{mount}/roles/shop"),
        json!({"db_name": "pg", "creation_statements": [create], "default_ttl": ttl, "max_ttl": max}),
    )
    .await
    .unwrap();
    mount
}

fn policy(mount: &str) -> String {
    format!("path \"{mount}/creds/shop\" {{ capabilities = [\"read\"] }}\n{OWN_POLICY}")
}

fn manifest(bao: &Api, mount: &str, auth: (Value, Known)) -> Manifest {
    Manifest::new(bao, &format!("{mount}/creds/shop"), auth)
}

async fn logs_in(postgres: &Postgres, issued: &Issued) -> bool {
    postgres
        .connect("postgres", &value(issued, "username"), &value(issued, "password"))
        .await
        .is_ok()
}

/// When a role's password expires, in seconds from now; `None` if there is no such role.
async fn expires(postgres: &Postgres, role: &str) -> Option<f64> {
    let sql = format!(
        "SELECT extract(epoch FROM rolvaliduntil - now())::text FROM pg_roles WHERE rolname = '{role}'"
    );
    let rows = query(&mut postgres.superuser("postgres").await.unwrap(), &sql)
        .await
        .unwrap();
    rows.first().map(|row| row[0].parse().unwrap())
}

#[tokio::test]
async fn a_user_logs_in_and_after_the_revocation_there_is_no_such_user_whatever_the_login() {
    let bao = shared();
    let postgres = Postgres::shared(Release::System);
    let mount = database_engine(bao, postgres, "2h", "4h").await;
    let role = token_role(bao, &policy(&mount), json!({"orphan": true})).await;
    let create = format!("path \"auth/token/create/{role}\" {{ capabilities = [\"update\"] }}");
    let (with_role, _) = shared_token(bao, &format!("{}{create}", policy(&mount))).await;
    let (alone, _) = shared_token(bao, &policy(&mount)).await;
    let app_role = approle(bao, &policy(&mount), json!({"token_ttl": "1m"})).await;
    let jwt = jwt_method(bao, &policy(&mount)).await;
    let manifests = [
        manifest(bao, &mount, app_role),
        manifest(bao, &mount, jwt),
        manifest(bao, &mount, alone),
        manifest(bao, &mount, with_role).token_role(&role),
    ];
    for manifest in manifests {
        let esi = manifest.build();
        let issued = esi.issue().await.unwrap();
        assert!(logs_in(postgres, &issued).await, "{esi:?}");
        assert_eq!(issued.expires_in, HOUR, "{esi:?}");
        esi.revoke(&issued.handle).await.unwrap();
        assert_eq!(
            expires(postgres, &value(&issued, "username")).await,
            None,
            "{esi:?}"
        );
        assert!(!logs_in(postgres, &issued).await, "{esi:?}");
        if let Some(accessor) = issued.handle.text("accessor") {
            assert!(!accessor_lives(bao, accessor).await, "{esi:?}");
        }
    }
}

#[tokio::test]
async fn while_postgresql_is_down_a_revocation_stays_pending_and_ends_the_user_once_it_is_back() {
    let bao = shared();
    let postgres = Postgres::start(Release::System).unwrap();
    let mount = database_engine(bao, &postgres, "2h", "4h").await;
    let auth = approle(bao, &policy(&mount), json!({})).await;
    let esi = manifest(bao, &mount, auth).build();
    let issued = esi.issue().await.unwrap();
    esi.steps.take();

    postgres.stop().unwrap();
    let error = esi.revoke(&issued.handle).await.unwrap_err();
    assert!(matches!(error, GeneratorError::Unavailable { .. }), "{error:?}");
    assert!(
        esi.steps.take().is_empty(),
        "it must not be said that access has ended"
    );

    postgres.start_again().unwrap();
    assert!(
        logs_in(&postgres, &issued).await,
        "nothing else revoked it meanwhile"
    );
    esi.revoke(&issued.handle).await.unwrap();
    assert_eq!(
        esi.steps.take(),
        ["access ended", "vault/lease-revoked", "vault/accessor-revoked"]
    );
    assert_eq!(expires(&postgres, &value(&issued, "username")).await, None);
}

#[tokio::test]
async fn renewing_prolongs_the_user_and_the_login_up_to_what_vault_grants() {
    let bao = shared();
    let postgres = Postgres::shared(Release::System);
    let mount = database_engine(bao, postgres, "1m", "30m").await;
    let auth = approle(
        bao,
        &policy(&mount),
        json!({"token_ttl": "1m", "token_max_ttl": "20m"}),
    )
    .await;
    let esi = manifest(bao, &mount, auth).build();
    let minutes = |count: u64| Duration::from_secs(60 * count);
    let issued = esi.issue_for(minutes(5), LONG).await.unwrap();
    assert_eq!((issued.expires_in, issued.renewable), (minutes(1), true));

    let renewed = esi.renew(&issued.handle, minutes(10)).await.unwrap();
    assert_eq!((renewed.expires_in, renewed.max_expires_in), (minutes(10), None));
    let left = expires(postgres, &value(&issued, "username")).await.unwrap();
    assert!(left > 590.0, "{left}");

    // The login's maximum, which is the lower.
    let renewed = esi.renew(&issued.handle, HOUR).await.unwrap();
    assert!(
        renewed.expires_in > minutes(19) && renewed.expires_in <= minutes(20),
        "{renewed:?}"
    );
    assert_eq!(renewed.max_expires_in, Some(renewed.expires_in));

    esi.revoke(&issued.handle).await.unwrap();
    let error = esi.renew(&issued.handle, minutes(1)).await.unwrap_err();
    assert!(matches!(error, GeneratorError::NotRenewable), "{error:?}");
}

#[tokio::test]
async fn a_renewal_that_postgresql_is_too_down_for_may_be_tried_again() {
    let bao = shared();
    let postgres = Postgres::start(Release::System).unwrap();
    let mount = database_engine(bao, &postgres, "1h", "4h").await;
    let auth = approle(bao, &policy(&mount), json!({})).await;
    let esi = manifest(bao, &mount, auth).build();
    let issued = esi.issue().await.unwrap();
    postgres.stop().unwrap();
    let error = esi.renew(&issued.handle, HOUR).await.unwrap_err();
    assert!(matches!(error, GeneratorError::Unavailable { .. }), "{error:?}");
    postgres.start_again().unwrap();
    esi.renew(&issued.handle, HOUR).await.unwrap();
}

#[tokio::test]
async fn a_user_whose_lease_id_was_lost_is_gone_soon_after_its_login() {
    let bao = shared();
    let postgres = Postgres::shared(Release::System);
    let mount = database_engine(bao, postgres, "2h", "4h").await;
    let auth = approle(bao, &policy(&mount), json!({})).await;
    let esi = manifest(bao, &mount, auth).build();
    let issued = esi.issue().await.unwrap();
    let accessor = issued.handle.text("accessor").unwrap();
    esi.revoke(&Handle::default().with("accessor", accessor))
        .await
        .unwrap();
    let user = value(&issued, "username");
    eventually("the user is gone", async || {
        expires(postgres, &user).await.is_none()
    })
    .await;
}

#[tokio::test]
#[ignore = "a measurement, for a machine that does nothing else"]
async fn overhead_of_an_issue_over_the_calls_themselves() {
    const ROUNDS: usize = 200;
    let bao = shared();
    let postgres = Postgres::shared(Release::System);
    let mount = database_engine(bao, postgres, "2h", "4h").await;
    let (auth, known) = approle(bao, &policy(&mount), json!({})).await;
    let login = json!({
        "role_id": auth["appRole"]["roleId"],
        "secret_id": known.values().next(),
    });
    let login_url = format!(
        "{}/v1/auth/{}/login",
        bao.address(),
        auth["appRole"]["path"].as_str().unwrap()
    );
    let creds_url = format!("{}/v1/{mount}/creds/shop", bao.address());
    let esi = manifest(bao, &mount, (auth, known)).build();
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let (mut bare, mut ours) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let start = tokio::time::Instant::now();
        let answer = http.post(&login_url).json(&login).send().await.unwrap();
        let answer: Value = answer.json().await.unwrap();
        let token = answer["auth"]["client_token"].as_str().unwrap();
        let request = http.get(&creds_url).header("X-Vault-Token", token);
        request.send().await.unwrap().bytes().await.unwrap();
        bare.push(start.elapsed());
        let start = tokio::time::Instant::now();
        esi.issue().await.unwrap();
        ours.push(start.elapsed());
    }
    bare.sort();
    ours.sort();
    let (bare, ours) = (bare[ROUNDS / 2], ours[ROUNDS / 2]);
    println!("bare calls {bare:?}, an issue {ours:?} (medians)");
    assert!(ours.saturating_sub(bare) < Duration::from_millis(3));
}
