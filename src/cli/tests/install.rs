//! The copy of the program that `init` leaves for other containers.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use crate::world::{ONE_EXEC_VARIABLE, World, visible};
use esi_client::testing::Method;

fn read(path: &Path) -> Vec<u8> {
    std::fs::read(path).unwrap()
}

#[tokio::test]
async fn the_copy_is_whole_and_starts_a_command_with_the_variables() {
    let world = World::new().await;
    std::fs::create_dir(world.path("bin")).unwrap();
    world
        .cli("init", ONE_EXEC_VARIABLE)
        .env("ESI_INSTALL", "bin")
        .after("umask 077")
        .finish()
        .await
        .ended_with(0, &world);
    assert_eq!(visible(&world.path("bin")), ["esi-cli"]);
    let copy = world.path("bin/esi-cli");
    assert!(read(&copy) == read(Path::new(env!("CARGO_BIN_EXE_esi-cli"))));
    let mode = std::fs::metadata(&copy).unwrap().permissions().mode();
    assert_eq!(mode & 0o7777, 0o555, "others run it, and nobody writes to it");
    let finished = world
        .command(&["bin/esi-cli", "exec", "--environ", "volumes/db/.environ"])
        .args(&["--", "sh", "-c", "echo $DB_PASS"])
        .finish()
        .await;
    assert_eq!(finished.stdout(), format!("{}\n", world.fake.password(1)));
}

#[tokio::test]
async fn a_copy_that_is_there_and_one_that_was_never_finished_are_replaced() {
    let world = World::new().await;
    std::fs::create_dir(world.path("bin")).unwrap();
    world.write("bin/esi-cli", "older");
    world.write("bin/.esi-cli.unfinished", "half");
    for _ in 0..2 {
        world
            .cli("init", ONE_EXEC_VARIABLE)
            .args(&["--install", "bin"])
            .finish()
            .await
            .ended_with(0, &world);
        assert_eq!(visible(&world.path("bin")), ["esi-cli"]);
        let copy = world.path("bin/esi-cli");
        assert!(read(&copy) == read(Path::new(env!("CARGO_BIN_EXE_esi-cli"))));
    }
}

#[tokio::test]
async fn a_directory_that_is_missing_or_too_small_is_named_before_anything_is_fetched() {
    let world = World::new().await;
    std::fs::create_dir(world.path("bin")).unwrap();
    let init = || world.cli("init", ONE_EXEC_VARIABLE);
    let missing = init().env("ESI_INSTALL", "none").finish().await;
    missing.ended_with(1, &world).said(&[
        "cannot be copied to none",
        "--install (ESI_INSTALL)",
        "No such file",
    ]);
    // Blocks of 512 bytes: no file may be larger, as on a volume that is full.
    let full = init()
        .env("ESI_INSTALL", "bin")
        .after("trap '' XFSZ; ulimit -f 8")
        .finish()
        .await;
    full.ended_with(1, &world)
        .said(&["cannot be copied to bin", "volume with room"]);
    assert!(visible(&world.path("bin")).is_empty(), "nothing half is left");
    assert!(world.fake.calls().is_empty());
}

#[tokio::test]
async fn nothing_is_copied_unless_asked_for() {
    let world = World::new().await;
    world
        .cli("init", ONE_EXEC_VARIABLE)
        .finish()
        .await
        .ended_with(0, &world);
    assert_eq!(world.fake.calls_of(Method::Issue).len(), 1);
    assert!(!world.path("esi-cli").exists());
}
