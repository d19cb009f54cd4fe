use serde_json::json;

use crate::world::{ONE_FILE, World, token};
use esi_client::testing::Authority;

#[tokio::test]
async fn a_server_whose_certificate_another_ca_made_never_sees_the_token() {
    let world = World::new().await;
    let mut servers = world.servers();
    servers["default"]["ca"] = Authority::fresh().pem().into();
    let finished = world
        .cli("init", ONE_FILE)
        .args(&["--servers", &servers.to_string()])
        .finish()
        .await;
    finished.ended_with(3, &world).said(&[
        "binding `db`",
        "certificate is not one that the CA given vouches for",
    ]);
    assert!(world.fake.calls().is_empty());
}

#[tokio::test]
async fn a_server_of_another_name_never_sees_the_token() {
    let world = World::new().await;
    let mut servers = world.servers();
    servers["default"]["url"] = world.fake.url.replace("localhost", "127.0.0.1").into();
    let finished = world
        .cli("init", ONE_FILE)
        .args(&["--servers", &servers.to_string()])
        .finish()
        .await;
    finished.ended_with(3, &world).said(&["certificate"]);
    assert!(world.fake.calls().is_empty());
}

#[tokio::test]
async fn a_server_without_tls_is_refused_before_anything_is_sent() {
    let world = World::new().await;
    let mut servers = world.servers();
    servers["default"]["url"] = world.fake.url.replace("https", "http").into();
    let finished = world
        .cli("init", ONE_FILE)
        .args(&["--servers", &servers.to_string()])
        .finish()
        .await;
    finished
        .ended_with(2, &world)
        .said(&["--servers: default.url: ", "is not https"]);
    assert!(world.fake.calls().is_empty());
}

#[tokio::test]
async fn a_token_for_another_audience_is_not_shown() {
    let world = World::new().await;
    world.write("token", token(&json!({"aud": ["elsewhere"]})));
    let finished = world.cli("init", ONE_FILE).finish().await;
    finished
        .ended_with(3, &world)
        .said(&["the token is for `elsewhere`", "takes tokens for `esi`"]);
    assert!(world.fake.calls().is_empty());
}

#[tokio::test]
async fn a_missing_or_broken_token_is_named_and_never_printed() {
    let world = World::new().await;
    let finished = world
        .cli("init", ONE_FILE)
        .args(&["--token-file", "/none"])
        .finish()
        .await;
    finished
        .ended_with(3, &world)
        .said(&["/none", "cannot be read", "No such file"]);
    world.write("token", "a secret with blanks");
    let finished = world.cli("init", ONE_FILE).finish().await;
    finished
        .ended_with(3, &world)
        .said(&["printable characters of a token"]);
    assert!(!finished.stderr.contains("blanks"));
    assert!(world.fake.calls().is_empty());
}

#[tokio::test]
async fn a_server_can_have_a_token_of_its_own() {
    let world = World::new().await;
    let own = token(&json!({"aud": "esi", "jti": "own"}));
    let mut servers = world.servers();
    servers["default"]["tokenFile"] = world.write("own", &own).to_str().unwrap().into();
    world
        .cli("init", ONE_FILE)
        .args(&["--servers", &servers.to_string()])
        .finish()
        .await
        .ended_with(0, &world);
    assert_eq!(world.fake.calls()[0].authorization, format!("Bearer {own}"));
}
