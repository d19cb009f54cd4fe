use std::io::Write as _;

use rustix::process::Signal;
use tonic::Code;

use crate::world::{
    FILES_AND_VARIABLES, ONE_EXEC_VARIABLE, ONE_FILE, ONE_VARIABLE, Running, World, short, token, visible,
};
use esi_client::testing::{Fault, Method};

/// Says `ready`, names the signals it gets, answers lines, and ends when its standard input does.
const LISTENER: &str = "trap 'echo got USR1' USR1; trap 'echo got HUP' HUP; trap 'echo got WINCH' WINCH; \
    trap 'echo got INT' INT; trap 'echo got TERM; exit 3' TERM; echo ready; \
    while :; do if read word; then echo heard $word; [ \"$word\" = end ] && exit 0; fi; done";

/// `run` with the listener, once it listens.
async fn listening(world: &World, plans: &str) -> Running {
    let mut running = world.run(plans, &["sh", "-c", LISTENER]).start();
    assert_eq!(running.line().await, "ready");
    running
}

#[tokio::test]
async fn the_command_has_its_values_and_they_are_revoked_at_its_end() {
    let world = World::new().await;
    let script = "[ \"$(cat volumes/db/password)\" = \"$DB_PASS\" ] && [ -n \"$DB_PASS\" ] && exit 7";
    let finished = world
        .run(FILES_AND_VARIABLES, &["sh", "-c", script])
        .finish()
        .await;
    finished.ended_with(7, &world);
    assert!(finished.stderr.is_empty(), "{}", finished.stderr);
    let methods: Vec<Method> = world.fake.calls().iter().map(|call| call.method).collect();
    assert_eq!(methods, [Method::Issue, Method::Acknowledge, Method::Revoke]);
}

#[tokio::test]
async fn variables_go_into_the_command_whatever_method_the_plan_says() {
    let world = World::new().await;
    let plans = ONE_EXEC_VARIABLE.replace(r#""env":"#, r#""allKeys":true,"env":"#);
    for verb in ["run", "exec"] {
        let finished = world
            .cli(verb, &plans)
            .args(&[
                "--",
                "sh",
                "-c",
                "[ \"$DB_PASS\" = \"$password\" ] && echo $username",
            ])
            .finish()
            .await;
        assert!(finished.ended_with(0, &world).stdout().starts_with("user-"));
        assert!(visible(&world.path("volumes/db")).is_empty());
    }
}

#[tokio::test]
async fn a_volume_that_it_made_is_gone_after_the_end() {
    let world = World::new().await;
    let finished = world
        .cli("run", ONE_FILE)
        .args(&["--volumes", "new/volumes", "--", "cat", "new/volumes/db/password"])
        .finish()
        .await;
    assert_eq!(finished.stdout(), world.fake.password(1));
    assert!(world.path("new/volumes").exists() && !world.path("new/volumes/db").exists());
    assert!(world.path("volumes/db").exists());
}

#[tokio::test]
async fn signals_are_passed_on_and_the_commands_code_comes_back() {
    let world = World::new().await;
    let mut running = listening(&world, ONE_VARIABLE).await;
    for (signal, name) in [
        (Signal::USR1, "USR1"),
        (Signal::HUP, "HUP"),
        (Signal::WINCH, "WINCH"),
        // Nobody here has a terminal, so nobody else told the command.
        (Signal::INT, "INT"),
        (Signal::TERM, "TERM"),
    ] {
        running.signal(signal);
        assert_eq!(running.line().await, format!("got {name}"));
    }
    running.finish().await.ended_with(3, &world);
    assert_eq!(world.fake.calls_of(Method::Revoke).len(), 1);
}

#[tokio::test]
async fn what_the_terminal_sends_to_both_arrives_once() {
    const CONTROL_C: &[u8] = b"\x03";
    let world = World::new().await;
    let cli = world.run(ONE_VARIABLE, &["sh", "-c", LISTENER]);
    let (mut running, mut keyboard) = cli.start_on_terminal();
    assert_eq!(running.line().await, "ready");
    keyboard.write_all(CONTROL_C).unwrap();
    assert_eq!(running.line().await, "got INT");
    // Heard after INT: had that been passed on, it would come first.
    running.signal(Signal::USR1);
    assert_eq!(running.line().await, "got USR1");
    keyboard.write_all(b"end\n").unwrap();
    assert_eq!(running.line().await, "heard end");
    running.finish().await.ended_with(0, &world);
    assert_eq!(world.fake.calls_of(Method::Revoke).len(), 1);
}

#[tokio::test]
async fn a_command_that_a_signal_ended_counts_as_in_a_shell() {
    let world = World::new().await;
    let finished = world
        .run(ONE_VARIABLE, &["sh", "-c", "kill -KILL $$"])
        .finish()
        .await;
    finished.ended_with(137, &world);
    assert_eq!(world.fake.calls_of(Method::Revoke).len(), 1);
}

#[tokio::test]
async fn a_signal_during_the_start_ends_it_and_gives_back_what_may_be_live() {
    let world = World::new().await;
    world.fake.fault(Method::Issue, 1, &Fault::Hang);
    let running = world.run(ONE_VARIABLE, &["touch", "started"]).start();
    world.fake.wait(Method::Issue, 1).await;
    running.signal(Signal::TERM);
    running.finish().await.ended_with(143, &world);
    assert_eq!(world.fake.calls_of(Method::Revoke).len(), 1);
    assert!(!world.path("started").exists());
}

#[tokio::test]
async fn killed_itself_it_leaves_the_command_running_and_revokes_nothing() {
    let world = World::new().await;
    let mut running = listening(&world, ONE_VARIABLE).await;
    running.signal(Signal::KILL);
    running.status().await;
    running.say("still").await;
    assert_eq!(running.line().await, "heard still");
    running.say("end").await;
    assert_eq!(running.line().await, "heard end");
    assert!(world.fake.calls_of(Method::Revoke).is_empty());
}

#[tokio::test]
async fn a_start_that_fails_starts_no_command() {
    let world = World::new().await;
    world.fake.refuse(Method::Issue, 1, Code::PermissionDenied);
    let finished = world.run(ONE_VARIABLE, &["touch", "started"]).finish().await;
    finished
        .ended_with(3, &world)
        .said(&["no credential for binding `db`"]);
    assert!(!world.path("started").exists());
    // A refusal left nothing to give back.
    assert!(world.fake.calls_of(Method::Revoke).is_empty());
}

#[tokio::test]
async fn files_are_rotated_in_place_when_the_server_asks() {
    let world = World::new().await;
    let mut running = listening(&world, &short(ONE_FILE)).await;
    assert_eq!(world.read("volumes/db/password"), world.fake.password(1));
    for generation in 2..=3 {
        world.fake.rotate("db");
        let acknowledged = world.fake.wait(Method::Acknowledge, generation).await;
        assert_eq!(acknowledged[generation - 1].generation, generation as u64);
        // Acknowledged is what is already visible.
        assert_eq!(
            world.read("volumes/db/password"),
            world.fake.password(generation as u64)
        );
    }
    running.say("end").await;
    running.finish().await.ended_with(0, &world);
    let issued = world.fake.calls_of(Method::Issue);
    assert_eq!(
        issued.iter().map(|call| call.rotate).collect::<Vec<_>>(),
        [false, true, true]
    );
    assert_eq!(world.fake.calls_of(Method::Revoke).len(), 1);
}

#[tokio::test]
async fn a_rotation_that_fails_is_told_and_tried_again() {
    let world = World::new().await;
    let mut running = listening(&world, &short(ONE_FILE)).await;
    world.fake.refuse(Method::Issue, 1, Code::FailedPrecondition);
    world.fake.rotate("db");
    world.fake.wait(Method::Acknowledge, 2).await;
    assert_eq!(world.read("volumes/db/password"), world.fake.password(2));
    running.say("end").await;
    running
        .finish()
        .await
        .ended_with(0, &world)
        .said(&["binding `db` is not rotated yet", "as the test said"]);
}

#[tokio::test]
async fn an_acknowledgement_that_was_lost_is_repeated() {
    let world = World::new().await;
    let mut running = listening(&world, &short(ONE_FILE)).await;
    world
        .fake
        .refuse(Method::Acknowledge, 1, Code::FailedPrecondition);
    world.fake.rotate("db");
    let acknowledged = world.fake.wait(Method::Acknowledge, 3).await;
    assert_eq!(
        acknowledged
            .iter()
            .map(|call| call.generation)
            .collect::<Vec<_>>(),
        [1, 2, 2]
    );
    running.say("end").await;
    running.finish().await.ended_with(0, &world);
}

#[tokio::test]
async fn a_binding_with_variables_is_not_rotated_and_that_is_said_once() {
    let world = World::new().await;
    let mut running = listening(&world, &short(FILES_AND_VARIABLES)).await;
    world.fake.rotate("db");
    let before = world.fake.calls_of(Method::Report).len();
    world.fake.wait(Method::Report, before + 4).await;
    running.say("end").await;
    let finished = running.finish().await;
    finished
        .ended_with(0, &world)
        .said(&["binding `db` is not rotated", "its end in 1s"]);
    assert_eq!(finished.stderr.matches("is not rotated").count(), 1);
    assert_eq!(world.fake.calls_of(Method::Issue).len(), 1);
}

#[tokio::test]
async fn reports_name_what_is_held_and_an_outage_is_told_once_with_its_end() {
    let world = World::new().await;
    world.write("token", token(&serde_json::json!({"aud": "esi"})));
    let mut running = world
        .cli("run", &short(ONE_FILE))
        .args(&["--instance", "vm-1", "--", "sh", "-c", LISTENER])
        .start();
    assert_eq!(running.line().await, "ready");
    let reports = world.fake.wait(Method::Report, 1).await;
    assert_eq!(
        (reports[0].binding.as_str(), reports[0].instance.as_str()),
        ("db", "vm-1")
    );
    let before = world.fake.calls_of(Method::Report).len();
    world.fake.refuse(Method::Report, 2, Code::PermissionDenied);
    // Two that are refused, one that is taken; when one more comes, the client has read that answer.
    world.fake.wait(Method::Report, before + 4).await;
    running.say("end").await;
    let finished = running.finish().await;
    finished.ended_with(0, &world).said(&[
        "server `default` at https://localhost:",
        " takes no report",
        "as the test said",
    ]);
    finished.said(&[" takes reports again"]);
    assert_eq!(finished.stderr.matches("takes no report").count(), 1);
}

#[tokio::test]
async fn its_own_memory_is_kept_out_of_core_dumps() {
    let world = World::new().await;
    let script = "grep 'Max core file size' /proc/$PPID/limits";
    let finished = world.run(ONE_VARIABLE, &["sh", "-c", script]).finish().await;
    let limits: Vec<&str> = finished
        .ended_with(0, &world)
        .stdout()
        .split_whitespace()
        .collect();
    assert_eq!(limits[..5], ["Max", "core", "file", "size", "0"]);
}

#[tokio::test]
async fn a_revocation_that_is_refused_is_told_and_changes_no_exit_code() {
    let world = World::new().await;
    world.fake.refuse(Method::Revoke, 1, Code::PermissionDenied);
    let finished = world.run(ONE_VARIABLE, &["sh", "-c", "exit 9"]).finish().await;
    finished.ended_with(9, &world).said(&[
        "binding `db` could not be revoked at server `default` at https://localhost:",
        "time to live",
    ]);
}
