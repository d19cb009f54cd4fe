use std::os::unix::fs::PermissionsExt as _;

use crate::world::{FILES_AND_VARIABLES, ONE_VARIABLE, World, os};
use esi_client::testing::Method;

#[tokio::test]
async fn the_process_becomes_the_command() {
    let world = World::new().await;
    let running = world
        .cli("exec", ONE_VARIABLE)
        .args(&["--", "sh", "-c", "echo $$; exit 42"])
        .start();
    let pid = running.pid();
    let finished = running.finish().await;
    finished.ended_with(42, &world);
    assert_eq!(finished.stdout(), format!("{pid}\n"));
}

#[tokio::test]
async fn a_signal_that_ends_the_command_is_seen_as_such() {
    let world = World::new().await;
    let finished = world
        .cli("exec", ONE_VARIABLE)
        .args(&["--", "sh", "-c", "kill -TERM $$"])
        .finish()
        .await;
    assert_eq!(finished.signal, Some(15), "{finished:?}");
}

#[tokio::test]
async fn the_command_has_the_signals_of_a_fresh_process() {
    let world = World::new().await;
    // This program ignores SIGPIPE, as every Rust program does; what it starts must not.
    let finished = world
        .cli("exec", ONE_VARIABLE)
        .args(&["--", "sh", "-c", "kill -PIPE $$"])
        .finish()
        .await;
    assert_eq!(finished.signal, Some(13), "{finished:?}");
    let finished = world
        .cli("run", ONE_VARIABLE)
        .args(&["--", "sh", "-c", "kill -PIPE $$"])
        .finish()
        .await;
    finished.ended_with(128 + 13, &world);
}

#[tokio::test]
async fn arguments_arrive_byte_for_byte() {
    let world = World::new().await;
    let hard: [&[u8]; 6] = [
        b"",
        b"--help",
        b"--",
        b"a b\n'\"$x",
        b"\xff\xfe",
        "\u{e9}".as_bytes(),
    ];
    let mut cli =
        world
            .cli("exec", ONE_VARIABLE)
            .args(&["--", "sh", "-c", "printf '%s\\0' \"$0\" \"$@\"", "zero"]);
    for argument in hard {
        cli = cli.arg(os(argument));
    }
    let finished = cli.finish().await;
    finished.ended_with(0, &world);
    let mut expected = b"zero\0".to_vec();
    for argument in hard {
        expected.extend_from_slice(argument);
        expected.push(0);
    }
    assert_eq!(finished.stdout, expected);
}

#[tokio::test]
async fn the_environment_has_the_values_and_nothing_that_was_meant_for_us() {
    let world = World::new().await;
    world.fake.value("binary", b"\xff\n'");
    let plans = FILES_AND_VARIABLES.replace(
        r#""path":"conf/db.json","format":"json""#,
        r#""path":"b","key":"binary""#,
    );
    let plans = plans.replace(
        r#""name":"DB_USER","key":"username""#,
        r#""name":"BINARY","key":"binary""#,
    );
    let finished = world
        .cli("exec", &plans)
        .env("KEPT", os(b"\xfe"))
        .env("ESI_INSTANCE", "x")
        .env("ESI_OTHERS", "stays")
        .args(&["--", "env", "-0"])
        .finish()
        .await;
    assert_eq!(finished.code, Some(0), "{finished:?}");
    let variables: Vec<&[u8]> = finished.stdout.split(|byte| *byte == 0).collect();
    let password = format!("DB_PASS={}", world.fake.password(1));
    for wanted in [
        password.as_bytes(),
        b"BINARY=\xff\n'",
        b"KEPT=\xfe",
        b"ESI_OTHERS=stays",
    ] {
        assert!(
            variables.contains(&wanted),
            "{} is not there",
            String::from_utf8_lossy(wanted)
        );
    }
    for name in [
        "PLANS",
        "SERVERS",
        "TOKEN_FILE",
        "VOLUMES",
        "ENV_DIR",
        "DEADLINE",
        "INSTANCE",
    ] {
        let prefix = format!("ESI_{name}=");
        assert!(
            !variables
                .iter()
                .any(|variable| variable.starts_with(prefix.as_bytes())),
            "{prefix} is there"
        );
    }
    // Its files are there too, and no env file, which only kubelet reads.
    assert_eq!(world.read("volumes/db/password"), world.fake.password(1));
    assert!(!world.path("env/db.env").exists());
    assert_eq!(world.fake.calls_of(Method::Acknowledge).len(), 1);
    assert!(world.fake.calls_of(Method::Revoke).is_empty());
}

#[tokio::test]
async fn the_command_gets_its_limit_on_core_dumps_back_and_no_open_file_of_ours() {
    const SCRIPT: &str = "ulimit -Sc; ls /proc/self/fd";
    let world = World::new().await;
    // What this test's own process hands down, the command has too.
    let without_us = world
        .command(&["sh", "-c", SCRIPT])
        .after("ulimit -Sc 8")
        .finish()
        .await;
    assert!(without_us.stdout().starts_with("8\n"), "{without_us:?}");
    for verb in ["exec", "run"] {
        let finished = world
            .cli(verb, ONE_VARIABLE)
            .args(&["--", "sh", "-c", SCRIPT])
            .after("ulimit -Sc 8")
            .finish()
            .await;
        assert_eq!(finished.ended_with(0, &world).stdout(), without_us.stdout());
    }
}

#[tokio::test]
async fn nothing_is_fetched_for_a_command_that_cannot_be_run() {
    let world = World::new().await;
    world.write("plain", "");
    for verb in ["exec", "run"] {
        let missing = world
            .cli(verb, ONE_VARIABLE)
            .args(&["--", "no-such-program"])
            .finish()
            .await;
        missing
            .ended_with(127, &world)
            .said(&["`no-such-program` is not found"]);
        let plain = world
            .cli(verb, ONE_VARIABLE)
            .args(&["--", "./plain"])
            .finish()
            .await;
        plain.ended_with(126, &world).said(&["`./plain` cannot be run"]);
    }
    assert!(world.fake.calls().is_empty());
}

#[tokio::test]
async fn what_was_fetched_for_a_command_that_does_not_start_is_given_back() {
    let world = World::new().await;
    let script = world.write("script", "#!/no/such/interpreter\n");
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).unwrap();
    for (verb, revoked) in [("exec", 1), ("run", 2)] {
        let finished = world
            .cli(verb, ONE_VARIABLE)
            .args(&["--", "./script"])
            .finish()
            .await;
        finished
            .ended_with(127, &world)
            .said(&["`./script` is not found"]);
        assert_eq!(world.fake.calls_of(Method::Revoke).len(), revoked);
    }
}
