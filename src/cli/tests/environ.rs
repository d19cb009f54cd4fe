//! Variables that `init` leaves in a file, and the command that `exec` starts with them.

use std::os::unix::fs::PermissionsExt as _;

use crate::world::{Cli, Finished, ONE_EXEC_VARIABLE, World, os, visible};
use esi_client::testing::Method;

/// `init` in the pod's init container.
async fn init(world: &World, plans: &str) -> Finished {
    world.cli("init", plans).finish().await
}

/// `exec` in an application container: it knows the file and nothing else.
fn exec(world: &World, files: &[&str]) -> Cli {
    let mut cli = world
        .cli("exec", "")
        .without("ESI_PLANS")
        .without("ESI_SERVERS")
        .without("ESI_TOKEN_FILE")
        .without("ESI_VOLUMES")
        .without("ESI_ENV_DIR")
        .without("ESI_DEADLINE");
    for file in files {
        cli = cli.args(&["--environ", file]);
    }
    cli.arg("--")
}

fn mode(world: &World, name: &str) -> u32 {
    let metadata = std::fs::metadata(world.path(name)).unwrap();
    metadata.permissions().mode() & 0o7777
}

/// The plans with `from` replaced, which must be in them.
fn plans_with(from: &str, to: &str) -> String {
    assert!(ONE_EXEC_VARIABLE.contains(from), "there is no {from}");
    ONE_EXEC_VARIABLE.replace(from, to)
}

#[tokio::test]
async fn variables_of_an_exec_plan_are_a_hidden_file_of_its_volume() {
    let world = World::new().await;
    init(&world, ONE_EXEC_VARIABLE).await.ended_with(0, &world);
    let expected = format!("DB_PASS={}\0", world.fake.password(1));
    assert_eq!(world.read("volumes/db/.environ"), expected);
    assert_eq!(mode(&world, "volumes/db/.environ"), 0o440);
    // There is nothing for kubelet to read.
    assert!(visible(&world.path("env")).is_empty());
    assert_eq!(world.fake.calls_of(Method::Acknowledge).len(), 1);
}

#[tokio::test]
async fn they_change_together_with_the_files_beside_them() {
    let world = World::new().await;
    let plans = plans_with(
        r#""env":"#,
        r#""envMode":"0444","files":[{"path":"password","key":"password"}],"env":"#,
    );
    for generation in 1..=2 {
        init(&world, &plans).await.ended_with(0, &world);
        let password = world.fake.password(generation);
        assert_eq!(world.read("volumes/db/password"), password);
        assert_eq!(world.read("volumes/db/.environ"), format!("DB_PASS={password}\0"));
        assert_eq!(mode(&world, "volumes/db/.environ"), 0o444);
        for name in ["password", ".environ"] {
            let link = std::fs::read_link(world.path("volumes/db").join(name)).unwrap();
            assert_eq!(link.to_str().unwrap(), format!("..data/{name}"));
        }
    }
}

#[tokio::test]
async fn all_keys_are_variables_of_their_names() {
    let world = World::new().await;
    world.fake.value("API_TOKEN", b"\xff=\n'");
    let plans = plans_with(r#""env":"#, r#""allKeys":true,"env":"#);
    init(&world, &plans).await.ended_with(0, &world);
    let password = world.fake.password(1);
    let mut expected = format!("DB_PASS={password}\0API_TOKEN=").into_bytes();
    expected.extend_from_slice(b"\xff=\n'\0");
    expected.extend_from_slice(format!("password={password}\0username=user-1\0").as_bytes());
    assert_eq!(
        std::fs::read(world.path("volumes/db/.environ")).unwrap(),
        expected
    );
}

#[tokio::test]
async fn what_cannot_be_a_variable_is_refused_by_name_before_anything_is_written() {
    let world = World::new().await;
    let all = plans_with(r#""env":"#, r#""allKeys":true,"env":"#);
    let nul = plans_with(r#""key":"password""#, r#""key":"binary""#);
    for (plans, key, value, said) in [
        (
            &nul,
            "binary",
            &b"hunter2\0"[..],
            ["`binary` has a NUL byte", "deliver it as a file"],
        ),
        (
            &all,
            "a b",
            &b"hunter2"[..],
            ["`a b` is no name of a variable", "without `allKeys`"],
        ),
    ] {
        world.fake.value(key, value);
        let finished = init(&world, plans).await;
        finished.ended_with(5, &world).said(&["binding `db`"]).said(&said);
        assert!(!finished.stderr.contains("hunter2"));
        assert!(visible(&world.path("volumes/db")).is_empty());
    }
    assert_eq!(world.fake.calls_of(Method::Revoke).len(), 2);
}

#[tokio::test]
async fn a_missing_volume_is_told_before_anything_is_fetched() {
    let world = World::new().await;
    std::fs::remove_dir(world.path("volumes/db")).unwrap();
    let finished = init(&world, ONE_EXEC_VARIABLE).await;
    finished
        .ended_with(5, &world)
        .said(&["binding `db`", "volumes/db"]);
    assert!(world.fake.calls().is_empty());
}

#[tokio::test]
async fn the_process_becomes_the_command_with_the_variables_over_its_own_and_nothing_is_fetched() {
    let world = World::new().await;
    init(&world, ONE_EXEC_VARIABLE).await.ended_with(0, &world);
    let before = world.fake.calls().len();
    let running = exec(&world, &["volumes/db/.environ"])
        .env("DB_PASS", "mine")
        .env("KEPT", "kept")
        // Nothing was meant for us, so a name like ours is the command's too.
        .env("ESI_DEADLINE", "theirs")
        .args(&["sh", "-c", "echo $$ $KEPT $ESI_DEADLINE $DB_PASS; exit 42"])
        .start();
    let pid = running.pid();
    let finished = running.finish().await;
    assert_eq!(finished.code, Some(42), "{finished:?}");
    let password = world.fake.password(1);
    assert_eq!(finished.stdout(), format!("{pid} kept theirs {password}\n"));
    assert_eq!(world.fake.calls().len(), before);
}

#[tokio::test]
async fn arguments_and_values_arrive_byte_for_byte() {
    let world = World::new().await;
    world.write("variables", b"A=\xff=\n '\"$x\0EMPTY=\0");
    let hard: [&[u8]; 5] = [b"", b"--environ", b"--", b"a b\n'\"$x", b"\xff\xfe"];
    let mut cli = exec(&world, &["variables"]).args(&[
        "sh",
        "-c",
        "printf '%s\\0' \"$A\" \"${EMPTY-none}\" \"$@\"",
        "sh",
    ]);
    for argument in hard {
        cli = cli.arg(os(argument));
    }
    let finished = cli.finish().await;
    finished.ended_with(0, &world);
    let expected: [&[u8]; 2] = [b"\xff=\n '\"$x", b""];
    let got: Vec<&[u8]> = finished.stdout.split(|byte| *byte == 0).collect();
    assert_eq!(got, [&expected[..], &hard, &[b""]].concat());
}

#[tokio::test]
async fn a_signal_ends_the_command_as_it_would_without_us() {
    let world = World::new().await;
    world.write("variables", "");
    for (name, number) in [("TERM", 15), ("PIPE", 13)] {
        let finished = exec(&world, &["variables"])
            .args(&["sh", "-c", &format!("kill -{name} $$")])
            .finish()
            .await;
        assert_eq!(finished.signal, Some(number), "{finished:?}");
    }
}

#[tokio::test]
async fn of_two_files_the_last_counts() {
    let world = World::new().await;
    world.write("one", "A=1\0B=1\0");
    world.write("two", "B=2\0PATH=/none:/usr/bin:/bin\0");
    let finished = exec(&world, &["one", "two"])
        .args(&["sh", "-c", "echo $A $B $PATH"])
        .finish()
        .await;
    assert_eq!(
        finished.ended_with(0, &world).stdout(),
        "1 2 /none:/usr/bin:/bin\n"
    );
}

#[tokio::test]
async fn a_file_that_cannot_be_used_is_named_with_what_to_do() {
    let world = World::new().await;
    world.write("cut-off", "A=1\0B=hunter2");
    world.write("other", "hunter2\0");
    world.write("large", vec![b'x'; 7 * 1024 * 1024]);
    let pipe = world.command(&["mkfifo", "pipe"]).finish().await;
    assert_eq!(pipe.code, Some(0));
    for (file, said) in [
        ("none", ["none cannot be read", "mount the binding's volume"]),
        ("volumes", ["volumes is no regular file", ".environ"]),
        ("pipe", ["pipe is no regular file", ".environ"]),
        (
            "large",
            [
                "large and those before it have more than 6291456 bytes",
                "as files",
            ],
        ),
        (
            "cut-off",
            ["cut-off is not what `esi-cli init` writes", "cut off"],
        ),
        ("other", ["other is not what `esi-cli init` writes", "record 1"]),
    ] {
        let finished = exec(&world, &[file]).args(&["touch", "started"]).finish().await;
        finished.ended_with(5, &world).said(&said);
        assert!(!finished.stderr.contains("hunter2"));
    }
    assert!(!world.path("started").exists());
}

#[tokio::test]
async fn the_command_is_told_from_one_that_is_missing_and_one_that_cannot_be_run() {
    let world = World::new().await;
    world.write("variables", "");
    world.write("plain", "");
    let missing = exec(&world, &["variables"]).arg("no-such-program").finish().await;
    missing
        .ended_with(127, &world)
        .said(&["`no-such-program` is not found"]);
    let plain = exec(&world, &["variables"]).arg("./plain").finish().await;
    plain.ended_with(126, &world).said(&["`./plain` cannot be run"]);
}

#[tokio::test]
async fn a_flag_that_is_for_fetching_is_refused_beside_a_file() {
    let world = World::new().await;
    world.write("variables", "");
    let finished = world
        .cli("exec", ONE_EXEC_VARIABLE)
        .args(&["--environ", "variables", "--volumes", "v", "--", "true"])
        .finish()
        .await;
    finished
        .ended_with(2, &world)
        .said(&["--volumes: it is for fetching"]);
    assert!(world.fake.calls().is_empty());
}
