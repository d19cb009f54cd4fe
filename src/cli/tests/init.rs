use std::os::unix::fs::PermissionsExt as _;

use rstest::rstest;
use serde_json::{Value, json};

use crate::world::{FILES_AND_VARIABLES, ONE_FILE, ONE_VARIABLE, World, pod_token, token, visible};
use esi_client::testing::Method;

#[tokio::test]
async fn files_and_env_file_are_delivered_and_then_acknowledged() {
    let world = World::new().await;
    world
        .cli("init", FILES_AND_VARIABLES)
        .finish()
        .await
        .ended_with(0, &world);

    let password = world.fake.password(1);
    assert_eq!(world.read("volumes/db/password"), password);
    let mode = std::fs::metadata(world.path("volumes/db/password"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o7777, 0o400);
    let json: Value = serde_json::from_str(&world.read("volumes/db/conf/db.json")).unwrap();
    assert_eq!(json["username"], "user-1");
    assert_eq!(json["password"], password.as_str());
    let env = world.read("env/db.env");
    assert!(env.contains("DB_USER='user-1'\n"), "{env}");
    assert!(env.contains(&format!("DB_PASS='{password}'\n")), "{env}");

    let calls = world.fake.calls();
    let methods: Vec<Method> = calls.iter().map(|call| call.method).collect();
    assert_eq!(methods, [Method::Issue, Method::Acknowledge]);
    assert_eq!(calls[1].generation, 1);
    for call in calls {
        assert_eq!(call.binding, "db");
        assert_eq!(call.authorization, format!("Bearer {}", pod_token()));
        assert!(call.instance.is_empty() && !call.rotate);
    }
}

#[tokio::test]
async fn many_bindings_are_all_delivered() {
    let world = World::new().await;
    let plans: Vec<String> = (0..20)
        .map(|n| {
            std::fs::create_dir(world.path(&format!("volumes/b{n}"))).unwrap();
            ONE_FILE
                .trim_matches(['[', ']'])
                .replace(r#""db""#, &format!(r#""b{n}""#))
        })
        .collect();
    let plans = format!("[{}]", plans.join(","));
    world.cli("init", &plans).finish().await.ended_with(0, &world);
    for n in 0..20 {
        assert!(
            world
                .read(&format!("volumes/b{n}/password"))
                .starts_with("secret-")
        );
    }
    assert_eq!(world.fake.calls_of(Method::Acknowledge).len(), 20);
}

#[tokio::test]
async fn a_second_start_replaces_the_first_ones_values() {
    let world = World::new().await;
    for generation in 1..=2 {
        world
            .cli("init", FILES_AND_VARIABLES)
            .finish()
            .await
            .ended_with(0, &world);
        assert_eq!(world.read("volumes/db/password"), world.fake.password(generation));
        assert!(
            world
                .read("env/db.env")
                .contains(&world.fake.password(generation))
        );
    }
}

#[tokio::test]
async fn one_refused_binding_leaves_every_other_unwritten_and_unacknowledged() {
    let world = World::new().await;
    std::fs::create_dir(world.path("volumes/other")).unwrap();
    let one = ONE_FILE.trim_matches(['[', ']']);
    let plans = format!("[{one},{}]", one.replace(r#""db""#, r#""other""#));
    world.fake.refuse(Method::Issue, 1, tonic::Code::PermissionDenied);
    let finished = world.cli("init", &plans).finish().await;
    finished.ended_with(3, &world).said(&[
        "from server `default` at https://localhost:",
        ": refused",
        "as the test said",
    ]);
    assert!(
        visible(&world.path("volumes/db")).is_empty() && visible(&world.path("volumes/other")).is_empty()
    );
    assert!(world.fake.calls_of(Method::Acknowledge).is_empty());
}

#[tokio::test]
async fn a_workload_that_is_no_pod_names_its_instance() {
    let world = World::new().await;
    world.write("token", token(&json!({"aud": "esi", "sub": "ci"})));
    world
        .cli("init", ONE_FILE)
        .args(&["--instance", "job-7"])
        .finish()
        .await
        .ended_with(0, &world);
    assert!(world.fake.calls().iter().all(|call| call.instance == "job-7"));
    world.cli("init", ONE_FILE).finish().await.ended_with(0, &world);
    let calls = world.fake.calls();
    let [issue, acknowledge] = &calls[2..] else {
        panic!("{calls:?}")
    };
    assert_eq!(issue.instance, acknowledge.instance);
    assert!(issue.instance.parse::<uuid::Uuid>().is_ok(), "{}", issue.instance);
}

#[tokio::test]
async fn a_missing_volume_is_named_and_not_made() {
    let world = World::new().await;
    std::fs::remove_dir(world.path("volumes/db")).unwrap();
    let finished = world.cli("init", ONE_FILE).finish().await;
    finished
        .ended_with(5, &world)
        .said(&["binding `db`", "volumes/db", "must exist"]);
    assert!(!world.path("volumes/db").exists());
    assert!(
        world.fake.calls().is_empty(),
        "known before anything was asked for"
    );
}

const BAD_TEMPLATE: &str = r#"[{"version":1,"binding":"db",
 "source":{"generator":{"kind":"Fake","namespace":"demo","name":"one"}},
 "env":[{"name":"DB_PASS","template":"{{ password"}]}]"#;

#[rstest]
#[case::template(BAD_TEMPLATE, |_: &World| {}, 5, &["binding `db`", "env[0] `DB_PASS`: the template (line 1)"])]
#[case::name_taken(ONE_FILE, |w: &World| drop(w.write("volumes/db/password", "x")), 5, &["volumes/db", "`password` is already"])]
#[case::no_env_dir(ONE_VARIABLE, |w: &World| std::fs::remove_dir(w.path("env")).unwrap(), 5, &["binding `db`", "/env", "must exist"])]
#[case::no_token(ONE_FILE, |w: &World| std::fs::remove_file(w.path("token")).unwrap(), 3, &["`default` at https://", "/token cannot be read"])]
#[case::audience(ONE_FILE, |w: &World| drop(w.write("token", token(&json!({"aud": "x"})))), 3, &["`default` at https://", "the token is for `x`"])]
#[tokio::test]
async fn what_would_fail_whatever_the_server_answers_is_told_without_asking_it(
    #[case] plans: &str,
    #[case] spoil: fn(&World),
    #[case] exit: i32,
    #[case] said: &[&str],
) {
    let world = World::new().await;
    spoil(&world);
    let finished = world.cli("init", plans).finish().await;
    finished.ended_with(exit, &world).said(said);
    assert!(world.fake.calls().is_empty());
}

#[tokio::test]
async fn a_value_that_kubelet_could_not_read_back_is_refused_before_anything_is_written() {
    let world = World::new().await;
    world.fake.value("quoted", b"it's");
    let plans =
        FILES_AND_VARIABLES.replace(r#"name":"DB_USER","key":"username"#, r#"name":"Q","key":"quoted"#);
    let finished = world.cli("init", &plans).finish().await;
    finished
        .ended_with(5, &world)
        .said(&["binding `db`", "single quote", "deliver it as a file"]);
    assert!(!finished.stderr.contains("it's"));
    assert!(visible(&world.path("volumes/db")).is_empty() && visible(&world.path("env")).is_empty());
}

#[tokio::test]
async fn a_plan_with_variables_alone_needs_no_volume() {
    let world = World::new().await;
    std::fs::remove_dir(world.path("volumes/db")).unwrap();
    world
        .cli("init", ONE_VARIABLE)
        .finish()
        .await
        .ended_with(0, &world);
    assert!(world.read("env/db.env").contains(&world.fake.password(1)));
}

#[tokio::test]
async fn what_cannot_be_acknowledged_fails_the_start() {
    let world = World::new().await;
    world.fake.refuse(Method::Acknowledge, 1, tonic::Code::NotFound);
    let finished = world.cli("init", ONE_FILE).finish().await;
    finished
        .ended_with(2, &world)
        .said(&["binding `db` could not be acknowledged at server `default` at https://localhost:"]);
}

#[tokio::test]
async fn what_was_fetched_for_a_start_that_fails_is_given_back() {
    let world = World::new().await;
    let plan = ONE_VARIABLE.replace(r#""key":"password""#, r#""key":"nothing""#);
    assert_ne!(plan, ONE_VARIABLE);
    world.cli("init", &plan).finish().await.ended_with(5, &world);
    assert_eq!(world.fake.calls_of(Method::Revoke).len(), 1);
}
