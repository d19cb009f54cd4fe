//! `esi-cli`, the shipped binary, against the shipped server and a real PostgreSQL.

mod injected;
mod world;

use std::collections::BTreeSet;
use std::os::unix::process::ExitStatusExt as _;

use esi_tests::eventually;
use serde_json::{Value, json};

use crate::flow::world::{SHOP, World};
use world::{Cli, Running};

#[tokio::test]
async fn a_command_runs_with_a_user_of_its_own_and_the_user_is_gone_when_it_ends() {
    let world = World::start().await;
    let cli = Cli::new(&world.federation);
    let run = cli.run(&[
        "--generator",
        SHOP,
        "--env",
        "DB_USER=username,DB_PASS=password",
        "--file",
        "db.json=json,deep/password=.password",
    ]);
    let mut running = Running::start(
        run,
        "printf '%s\\n%s\\n' \"$DB_USER\" \"$DB_PASS\"; read word; exit 7",
    );
    let (user, password) = (running.line(), running.line());
    assert!(world.fixture.connect(&user, &password).await.is_ok());
    let document: Value = serde_json::from_slice(&std::fs::read(cli.file("db.json")).unwrap()).unwrap();
    assert_eq!(document, json!({ "username": user, "password": password }));
    assert_eq!(
        std::fs::read_to_string(cli.file("deep/password")).unwrap(),
        password
    );

    assert_eq!(running.finish().code(), Some(7), "the command's own exit code");
    eventually("the user is gone", async || world.users().await.is_empty()).await;
    assert!(world.fixture.connect(&user, &password).await.is_err());
    assert!(!cli.file("db.json").exists(), "what it made is removed");
}

#[tokio::test]
async fn a_signal_reaches_the_command_and_the_user_is_gone_afterwards() {
    let world = World::start().await;
    let cli = Cli::new(&world.federation);
    let run = cli.run(&["--generator", SHOP, "--env", "DB_USER=username"]);
    let mut running = Running::start(
        run,
        "trap 'exit 42' TERM; echo \"$DB_USER\"; while :; do read word || sleep 0.1; done",
    );
    let user = running.line();
    assert_eq!(world.users().await, BTreeSet::from([user]));
    running.signal("TERM");
    assert_eq!(running.finish().code(), Some(42));
    eventually("the user is gone", async || world.users().await.is_empty()).await;
}

#[tokio::test]
async fn when_the_parent_is_killed_the_time_to_live_ends_the_user() {
    let world = World::start().await;
    let cli = Cli::new(&world.federation);
    let run = cli.run(&["--generator", SHOP, "--env", "DB_USER=username", "--ttl", "6s"]);
    let mut running = Running::start(run, "echo \"$DB_USER\"; read word");
    let user = running.line();
    assert_eq!(world.users().await, BTreeSet::from([user]));
    running.signal("KILL");
    assert_eq!(running.finish().signal(), Some(9));
    eventually("the user is gone", async || world.users().await.is_empty()).await;
}

#[tokio::test]
async fn files_are_rotated_before_a_lease_that_cannot_be_prolonged_ends() {
    let mut world = World::prepare().await;
    world.federation.allow_for("app", &[SHOP], Some("9s")).unwrap();
    world.federation.flags(&["--overlap", "1s"]);
    world.federation.start().unwrap();
    let cli = Cli::new(&world.federation);
    let run = cli.run(&["--generator", SHOP, "--file", "user=.username"]);
    let mut running = Running::start(run, "echo started; read word");
    assert_eq!(running.line(), "started");
    let user = || std::fs::read_to_string(cli.file("user")).unwrap_or_default();
    let first = user();
    eventually("the file shows another user", async || {
        !user().is_empty() && user() != first
    })
    .await;
    // The one before lives for the overlap, and what is shown always works.
    eventually("the first is gone", async || {
        !world.users().await.contains(&first)
    })
    .await;
    assert!(world.users().await.contains(&user()));
    assert!(running.finish().success());
    eventually("nothing is left", async || world.users().await.is_empty()).await;
}

#[tokio::test]
async fn a_command_that_runs_beyond_its_time_to_live_keeps_its_user() {
    let world = World::start().await;
    let cli = Cli::new(&world.federation);
    let run = cli.run(&["--generator", SHOP, "--env", "DB_USER=username", "--ttl", "4s"]);
    let mut running = Running::start(run, "echo \"$DB_USER\"; read word");
    let user = running.line();
    let expiry = format!(
        "SELECT extract(epoch FROM rolvaliduntil)::bigint::text FROM pg_roles WHERE rolname = '{user}'"
    );
    let first: i64 = world.fixture.ask(&expiry).await.unwrap()[0][0].parse().unwrap();
    // Two times to live later it is still there.
    eventually("it was prolonged twice over", async || {
        let rows = world.fixture.ask(&expiry).await.unwrap();
        rows.first()
            .is_some_and(|row| row[0].parse::<i64>().unwrap() >= first + 8)
    })
    .await;
    assert!(running.finish().success());
}

#[tokio::test]
async fn exec_becomes_the_command_and_its_lease_ends_with_its_time_to_live() {
    let world = World::start().await;
    let cli = Cli::new(&world.federation);
    let mut exec = cli.exec(&["--generator", SHOP, "--env", "DB_USER=username", "--ttl", "6s"]);
    exec.env("ESI_INSTANCE", "mine");
    let mut running = Running::start(
        exec,
        "echo \"$DB_USER $$\"; echo ${ESI_INSTANCE-none}; read word; exit 5",
    );
    let line = running.line();
    let (user, pid) = line.split_once(' ').unwrap();
    assert_eq!(world.users().await, BTreeSet::from([user.to_owned()]));
    assert_eq!(pid, running.pid().to_string(), "the same process");
    assert_eq!(running.line(), "none", "nothing of ours is in its environment");
    assert_eq!(running.finish().code(), Some(5));
    eventually("the user is gone", async || world.users().await.is_empty()).await;
}

#[tokio::test]
async fn init_fills_the_pods_volumes_and_env_file_and_a_restarted_container_leaves_one_user() {
    let world = World::start().await;
    let cli = Cli::new(&world.federation);
    let kind: Vec<&str> = SHOP.split('/').collect();
    let plan = json!([{
        "version": 1, "binding": "db",
        "source": { "generator": { "kind": kind[0], "namespace": kind[1], "name": kind[2] } },
        "env": [{ "name": "DB_USER", "key": "username" }],
        "files": [{ "path": "password", "key": "password", "mode": "0400" }]
    }]);
    let mut last = String::new();
    for _ in 0..5 {
        let output = cli.init(&plan).output().unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        let env = std::fs::read_to_string(cli.env_file("db")).unwrap();
        last = env
            .trim()
            .strip_prefix("DB_USER='")
            .unwrap()
            .strip_suffix('\'')
            .unwrap()
            .to_owned();
        let password = std::fs::read_to_string(cli.volume("db").join("password")).unwrap();
        assert!(world.fixture.connect(&last, &password).await.is_ok());
    }
    // Each acknowledged generation before the last lives for the overlap at most; then one is left.
    let users = world.users().await;
    assert!(users.contains(&last) && users.len() <= 2, "{users:?}");
}

#[tokio::test]
async fn a_container_started_by_exec_has_the_variables_that_init_left_and_so_has_it_started_again() {
    let world = World::start().await;
    let cli = Cli::new(&world.federation);
    let kind: Vec<&str> = SHOP.split('/').collect();
    let plan = json!([{
        "version": 1, "binding": "db", "envMethod": "exec", "allKeys": true,
        "source": { "generator": { "kind": kind[0], "namespace": kind[1], "name": kind[2] } },
        "env": [{ "name": "DB_USER", "key": "username" }]
    }]);
    let mut init = cli.init(&plan);
    let output = init.env("ESI_INSTALL", cli.bin()).output().unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    for _ in 0..2 {
        let mut running = Running::start(
            cli.exec_from("db"),
            "printf '%s\\n' $$ \"$DB_USER\" \"$username\" \"$password\"; read word; exit 5",
        );
        assert_eq!(running.line(), running.pid().to_string(), "the same process");
        let (user, same, password) = (running.line(), running.line(), running.line());
        assert_eq!(user, same);
        assert!(world.fixture.connect(&user, &password).await.is_ok());
        assert_eq!(
            world.users().await,
            BTreeSet::from([user]),
            "nothing was minted for it"
        );
        assert_eq!(running.finish().code(), Some(5));
    }
}

#[tokio::test]
async fn a_plan_that_asks_for_a_key_that_the_credential_lacks_is_refused_by_name_and_leaves_nothing() {
    let world = World::start().await;
    let cli = Cli::new(&world.federation);
    let run = cli.run(&["--generator", SHOP, "--env", "X=nothing"]);
    let output = Running::output(run, "true");
    assert_eq!(output.status.code(), Some(5));
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(text.contains("nothing") && text.contains("username"), "{text}");
    eventually("nothing is left", async || world.users().await.is_empty()).await;
}

#[tokio::test]
async fn refusals_of_the_server_reach_the_person_with_what_to_do() {
    let world = World::start().await;
    let cli = Cli::new(&world.federation);
    let output = Running::output(cli.run(&["--generator", "PostgreSQL/platform/other"]), "true");
    assert_eq!(output.status.code(), Some(3));
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        text.contains("Authorization") && text.contains("PostgreSQL/platform/other"),
        "{text}"
    );
}
