use rstest::rstest;

use crate::world::{FILES_AND_VARIABLES, ONE_FILE, World};

#[rstest]
#[case::unknown_field(r#""ttl":"10m""#, r#""tttl":"10m""#, &["[0]", "unknown field `tttl`"])]
#[case::leaving(r#""path":"password""#, r#""path":"../password""#, &["[0].files[1].path: "])]
#[case::absolute(r#""path":"password""#, r#""path":"/etc/passwd""#, &["[0].files[1].path: ", "relative"])]
#[case::twice(r#""path":"password""#, r#""path":"conf/db.json""#, &["[0].files[1].path: ", "cannot both be files"])]
#[case::variable_twice("DB_PASS", "DB_USER", &["[0].env[1].name: `DB_USER` is there twice"])]
#[case::newer(r#""version":1"#, r#""version":2"#, &["[0]", "newer than this program"])]
#[case::not_json("[{", "{", &["ESI_PLANS"])]
#[tokio::test]
async fn a_bad_plan_is_refused_with_its_place(#[case] from: &str, #[case] to: &str, #[case] said: &[&str]) {
    let world = World::new().await;
    assert!(FILES_AND_VARIABLES.contains(from));
    let finished = world
        .cli("init", &FILES_AND_VARIABLES.replace(from, to))
        .finish()
        .await;
    finished.ended_with(2, &world).said(&["ESI_PLANS: "]).said(said);
    assert!(world.fake.calls().is_empty());
}

#[tokio::test]
async fn ten_megabytes_of_plans_are_refused() {
    let world = World::new().await;
    let file = world.write("plans", " ".repeat(10_000_000));
    let finished = world
        .cli("init", ONE_FILE)
        .arg("--plans")
        .arg(format!("@{}", file.display()))
        .finish()
        .await;
    finished
        .ended_with(2, &world)
        .said(&["--plans: ", "more than 2097152 bytes"]);
}

#[tokio::test]
async fn a_key_that_the_credential_lacks_is_named_with_its_place_and_what_there_is() {
    let world = World::new().await;
    let plans = FILES_AND_VARIABLES.replace(r#""key":"password","mode""#, r#""key":"pasword","mode""#);
    let finished = world.cli("init", &plans).finish().await;
    finished.ended_with(5, &world).said(&[
        "binding `db`",
        "files[1]",
        "no key `pasword`",
        "`password`",
        "`username`",
    ]);
}

#[tokio::test]
async fn wrong_usage_is_told_and_help_is_complete() {
    let world = World::new().await;
    world
        .cli("init", ONE_FILE)
        .arg("--bake")
        .finish()
        .await
        .ended_with(2, &world)
        .said(&["init takes no `--bake`"]);
    world
        .cli("bake", ONE_FILE)
        .finish()
        .await
        .ended_with(2, &world)
        .said(&["`bake` is no verb"]);
    world
        .cli("exec", ONE_FILE)
        .finish()
        .await
        .ended_with(2, &world)
        .said(&["no command"]);
    for verb in ["init", "exec", "run", "render"] {
        let finished = world.cli(verb, ONE_FILE).arg("--help").finish().await;
        finished.ended_with(0, &world);
        assert!(finished.stdout().contains("ESI_PLANS") && finished.stdout().contains("Exit codes:"));
        assert!(finished.stderr.is_empty());
    }
    let finished = world.cli("--version", ONE_FILE).finish().await;
    assert_eq!(
        finished.ended_with(0, &world).stdout(),
        format!("esi-cli {}\n", env!("CARGO_PKG_VERSION"))
    );
}

#[tokio::test]
async fn one_command_without_any_json_gives_a_first_result() {
    let world = World::new().await;
    let ca = world.write("ca.pem", world.fake.authority.pem());
    let finished = world
        .cli("run", ONE_FILE)
        .without("ESI_PLANS")
        .without("ESI_SERVERS")
        .args(&["--server-url", &world.fake.url, "--ca", ca.to_str().unwrap()])
        .args(&[
            "--generator",
            "Password/demo/example",
            "--env",
            "P=password,U=username",
            "--ttl",
            "5m",
        ])
        .args(&["--", "sh", "-c", "test -n \"$P\" && echo $U"])
        .finish()
        .await;
    assert_eq!(finished.ended_with(0, &world).stdout(), "user-1\n");
    assert_eq!(world.fake.calls()[0].binding, "default");
}
