use esi_core::chain;
use esi_generators::GeneratorError;
use esi_tests::postgres::{Postgres, Release};
use rstest::rstest;
use serde_json::json;

use super::world::{Recorded, World};

/// Whether the admin's connection is encrypted.
async fn is_encrypted(world: &World) -> String {
    let generator = world.generator();
    world
        .issue_by(&*generator, &world.intent(), &Recorded::default())
        .await
        .unwrap();
    let sql = format!(
        "SELECT s.ssl::text FROM pg_stat_ssl s JOIN pg_stat_activity a USING (pid) WHERE a.usename = '{}'",
        world.fixture.admin
    );
    world.fixture.ask(&sql).await.unwrap()[0][0].clone()
}

#[rstest]
#[case("disable", "false")]
#[case("prefer", "true")]
#[case("require", "true")]
#[case("verify-ca", "true")]
#[case("verify-full", "true")]
#[tokio::test]
async fn the_connection_is_protected_as_the_manifest_says(#[case] mode: &str, #[case] encrypted: &str) {
    let mut world = World::new(Release::System).await;
    world.spec["sslMode"] = json!(mode);
    world.spec["caBundle"] = json!(world.fixture.server.ca());
    assert_eq!(is_encrypted(&world).await, encrypted);
}

#[tokio::test]
async fn annotations_say_it_where_the_fields_are_pruned() {
    let mut world = World::new(Release::System).await;
    world.spec["sslMode"] = json!("disable");
    let ca = world.fixture.server.ca().to_owned();
    world
        .annotations
        .insert("esi.external-secrets.io/ssl-mode".into(), "verify-full".into());
    world
        .annotations
        .insert("esi.external-secrets.io/ca-bundle".into(), ca);
    assert_eq!(is_encrypted(&world).await, "true");

    world
        .annotations
        .insert("esi.external-secrets.io/ssl-mode".into(), "sometimes".into());
    let error = world.try_generator().unwrap_err();
    assert!(
        chain(&error).contains("write disable, prefer"),
        "{}",
        chain(&error)
    );
}

async fn refusal(world: &World) -> String {
    let error = world.issue().await.err().unwrap();
    assert!(
        matches!(
            error,
            GeneratorError::Misconfigured {
                field: "spec.sslMode",
                ..
            }
        ),
        "{error:?}"
    );
    assert_eq!(world.roles().await, [""; 0]);
    chain(&error)
}

#[rstest]
#[case("verify-ca")]
#[case("verify-full")]
#[tokio::test]
async fn a_certificate_of_another_ca_is_refused(#[case] mode: &str) {
    let mut world = World::new(Release::System).await;
    world.spec["sslMode"] = json!(mode);
    world.spec["caBundle"] = json!(Postgres::shared(Release::Newer).ca());
    assert!(refusal(&world).await.contains("certificate"));
    // Nor is it of one that the system trusts.
    world.spec["caBundle"] = json!(null);
    assert!(refusal(&world).await.contains("certificate"));
}

#[tokio::test]
async fn a_certificate_for_another_host_is_refused_by_verify_full_alone() {
    let mut world = World::new(Release::System).await;
    world.spec["host"] = json!("127.0.0.1");
    world.spec["caBundle"] = json!(world.fixture.server.ca());
    world.spec["sslMode"] = json!("verify-full");
    assert!(refusal(&world).await.contains("certificate"));
    world.spec["sslMode"] = json!("verify-ca");
    assert_eq!(is_encrypted(&world).await, "true");
}
