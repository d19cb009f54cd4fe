//! The catalog changes under a running server.

use esi_tests::eventually;
use esi_tests::federation::Federation;
use esi_tests::issuer::Pod;
use tonic::Code;

use super::world::{SHOP, World};

const FAKE: &str = "Fake/demo/greeting";

fn fake(value: &str) -> String {
    format!(
        "apiVersion: generators.external-secrets.io/v1alpha1\nkind: Fake\n\
         metadata: {{ name: greeting, namespace: demo }}\nspec:\n  data:\n    word: {value}\n"
    )
}

async fn answer(federation: &Federation, pod: &Pod) -> Result<String, Code> {
    let issued = federation.client(pod).await.unwrap().issue(FAKE).await;
    issued
        .map(|issued| esi_tests::federation::value(&issued, "word"))
        .map_err(|status| status.code())
}

#[tokio::test]
async fn an_edited_generator_and_a_removed_authorization_take_effect_without_a_restart() {
    let federation = Federation::start_with(&fake("hello"), &[FAKE]).unwrap();
    let pod = Pod::new();
    assert_eq!(answer(&federation, &pod).await, Ok("hello".to_owned()));
    federation.write("generators.yaml", &fake("changed")).unwrap();
    eventually("the edit is seen", async || {
        answer(&federation, &pod).await == Ok("changed".to_owned())
    })
    .await;
    std::fs::remove_file(federation.dir().join("catalog/authorization-app.json")).unwrap();
    eventually("the removal is seen", async || {
        answer(&federation, &pod).await == Err(Code::PermissionDenied)
    })
    .await;
}

#[tokio::test]
async fn a_half_written_generator_keeps_its_last_form_and_the_log_names_file_and_line() {
    let federation = Federation::start_with(&fake("hello"), &[FAKE]).unwrap();
    let pod = Pod::new();
    federation
        .write(
            "generators.yaml",
            "apiVersion: generators.external-secrets.io/v1alpha1\nkind: Fake\nmetadata: {",
        )
        .unwrap();
    eventually("the problem is logged", async || {
        federation
            .log()
            .lines()
            .any(|line| line.contains("WARN") && line.contains("generators.yaml:3"))
    })
    .await;
    assert_eq!(answer(&federation, &pod).await, Ok("hello".to_owned()));
}

#[tokio::test]
async fn a_half_written_authorization_grants_nothing() {
    let federation = Federation::start_with(&fake("hello"), &[FAKE]).unwrap();
    let pod = Pod::new();
    federation
        .write(
            "authorization-app.json",
            "{ \"apiVersion\": \"federation.external-secrets.io/v1alpha1\",",
        )
        .unwrap();
    eventually("it grants nothing", async || {
        answer(&federation, &pod).await == Err(Code::PermissionDenied)
    })
    .await;
    federation.allow("app", &[FAKE]).unwrap();
    eventually("it grants again", async || {
        answer(&federation, &pod).await.is_ok()
    })
    .await;
}

#[tokio::test]
async fn a_withdrawn_federation_vouches_for_nobody_any_more() {
    let federation = Federation::start_with(&fake("hello"), &[FAKE]).unwrap();
    let pod = Pod::new();
    assert!(answer(&federation, &pod).await.is_ok());
    std::fs::remove_file(federation.dir().join("catalog/federation.json")).unwrap();
    eventually("its tokens are refused", async || {
        answer(&federation, &pod).await == Err(Code::Unauthenticated)
    })
    .await;
}

#[test]
fn a_start_with_a_broken_file_fails_and_names_it() {
    let mut federation = Federation::prepare().unwrap();
    federation
        .write("broken.yaml", "apiVersion: v1\nkind: Secret\nmetadata: 7\n")
        .unwrap();
    let error = federation.start().unwrap_err().to_string();
    assert!(error.contains("broken.yaml:"), "{error}");
}

#[tokio::test]
async fn an_admin_secret_that_is_missing_is_named_to_the_operator_and_not_to_the_pod() {
    let world = World::start().await;
    let manifest = super::world::manifests(&world.fixture);
    let (generator, _) = manifest.split_once("\n---\n").unwrap();
    world.federation.write("generators.yaml", generator).unwrap();
    let pod = Pod::new();
    let mut seen = None;
    for _ in 0..1000 {
        let mut client = world.federation.client(&pod).await.unwrap();
        match client.issue(SHOP).await {
            Ok(_) => tokio::time::sleep(std::time::Duration::from_millis(20)).await,
            Err(status) => {
                seen = Some(status);
                break;
            }
        }
    }
    let status = seen.expect("the Secret is gone");
    let dangling = "esi_catalog_problems{kind=\"dangling\"}";
    eventually("it is counted", async || world.metric(dangling).await == "1").await;
    let log = world.federation.log();
    assert!(
        log.contains("PostgreSQL platform/shop: spec.auth.password needs Secret platform/admin"),
        "{log}"
    );
    assert_eq!(status.code(), Code::FailedPrecondition);
    assert!(status.message().contains("auth.password"), "{status}");
    assert!(
        !status.message().contains(world.fixture.server.host()),
        "{status}"
    );
    let log = world.federation.log();
    let refused = log
        .lines()
        .find(|line| line.contains("generator_secret_missing"))
        .expect("it is in the log");
    assert!(
        refused.contains(&format!("\"generator\":\"{SHOP}\"")) && refused.contains("\"workload\":\"pod "),
        "{refused}"
    );
    assert!(
        refused.contains("\"level\":\"WARN\""),
        "only an operator can mend it: {refused}"
    );
    world.federation.write("generators.yaml", &manifest).unwrap();
    eventually("it is mended", async || world.metric(dangling).await == "0").await;
}
