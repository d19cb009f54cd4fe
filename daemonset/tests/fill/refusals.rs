//! What is found before anything is issued.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use esi_core::{Classify as _, Code, SecretBytes};
use esi_node::fill::Fill as _;
use esi_node::request::Publish;
use serde_json::json;

use crate::world::{World, plan, publish, with};

/// A refusal before anything was asked for.
async fn refused(world: &World, volume: &Publish, kind: &str) -> String {
    let error = world.fill(volume).await.unwrap_err();
    assert_eq!((error.kind(), error.code()), (kind, Code::Unavailable));
    assert!(world.fake.calls().is_empty(), "nothing was issued");
    world.fill.give_back(volume).await;
    assert!(world.fake.calls().is_empty(), "there is nothing to give back");
    error.to_string()
}

#[tokio::test]
async fn variables_for_exec_are_refused() {
    let world = World::new().await;
    let plan = with(|plan| {
        plan["envMethod"] = "exec".into();
        plan["env"] = json!([{"name": "A", "key": "password"}]);
    });
    let text = refused(&world, &publish(&plan), "fill_exec_variables").await;
    assert!(text.contains("delivery `init`"), "{text}");
}

#[tokio::test]
async fn a_template_that_no_credential_could_satisfy_is_refused() {
    let world = World::new().await;
    let files = json!([{"path": "x", "template": "{{ nope("}]);
    let volume = publish(&with(|plan| plan["files"] = files));
    let error = world.fill(&volume).await.unwrap_err();
    assert!(error.to_string().contains("files[0] `x`"), "{error}");
    assert!(world.fake.calls().is_empty());
}

#[tokio::test]
async fn a_server_that_this_node_does_not_know_is_named() {
    let world = World::new().await;
    let plan = with(|plan| plan["server"] = "other".into());
    let text = refused(&world, &publish(&plan), "fill_unknown_server").await;
    assert!(
        text.contains("server `other`") && text.contains("`default`"),
        "{text}"
    );
}

#[tokio::test]
async fn a_token_that_kubelet_did_not_give_is_named_by_its_audience() {
    let world = World::new().await;
    let mut volume = publish(&plan());
    volume.tokens = BTreeMap::from([("another".to_owned(), SecretBytes::from("the-pods"))]);
    let text = refused(&world, &volume, "fill_no_token").await;
    assert!(text.contains("`esi`") && text.contains("tokenRequests"), "{text}");
}

#[tokio::test]
async fn a_token_for_another_audience_is_shown_to_nobody() {
    let world = World::new().await;
    let mut volume = publish(&plan());
    let claims = URL_SAFE_NO_PAD.encode(r#"{"aud":["elsewhere"]}"#);
    volume.tokens = BTreeMap::from([("esi".to_owned(), format!("e30.{claims}.c2ln").into())]);
    let error = world.fill(&volume).await.unwrap_err();
    assert!(
        error.to_string().contains("the token is for `elsewhere`"),
        "{error}"
    );
    assert!(world.fake.calls().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_directory_of_env_files_that_kubelet_does_not_make_is_waited_for_twenty_seconds() {
    let world = World::new().await;
    let began = tokio::time::Instant::now();
    let plan = with(|plan| plan["env"] = json!([{"name": "A", "key": "password"}]));
    let text = refused(&world, &publish(&plan), "fill_no_env_directory").await;
    assert!(text.contains("`esi-env`"), "{text}");
    let waited = began.elapsed().as_secs_f64();
    assert!((20.0..21.0).contains(&waited), "{waited}");
}
