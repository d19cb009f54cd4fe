use crate::world::{FILES_AND_VARIABLES, ONE_EXEC_VARIABLE, World};
use esi_client::testing::Method;

const VALUES: &str = r#"{"username":"shop","password":"hunter2"}"#;

#[tokio::test]
async fn what_would_be_written_is_listed_without_a_value_and_without_a_network() {
    let world = World::new().await;
    world.write("values", VALUES);
    let finished = world
        .cli("render", FILES_AND_VARIABLES)
        .args(&["--values", "values"])
        .finish()
        .await;
    finished.ended_with(0, &world);
    let expected = "file db/conf/db.json 0440 41 bytes\nfile db/password 0400 7 bytes\n\
                    variable DB_USER 4 bytes\nvariable DB_PASS 7 bytes\n";
    assert_eq!(finished.stdout(), expected);
    assert!(world.fake.calls_of(Method::Issue).is_empty());
}

#[tokio::test]
async fn contents_are_printed_only_when_asked_for() {
    let world = World::new().await;
    world.write("values", VALUES);
    let finished = world
        .cli("render", FILES_AND_VARIABLES)
        .args(&["--values", "values", "--show"])
        .finish()
        .await;
    assert!(
        finished
            .stdout()
            .contains("file db/password 0400 7 bytes\nhunter2\n"),
        "{}",
        finished.stdout()
    );
}

#[tokio::test]
async fn outputs_are_written_below_a_directory() {
    let world = World::new().await;
    world.write("values", VALUES);
    for _ in 0..2 {
        let finished = world
            .cli("render", FILES_AND_VARIABLES)
            .args(&["--values", "values", "--out", "a/b"])
            .finish()
            .await;
        finished.ended_with(0, &world);
        assert_eq!(world.read("a/b/db/password"), "hunter2");
        assert!(world.read("a/b/db.env").contains("DB_PASS='hunter2'\n"));
    }
}

#[tokio::test]
async fn variables_are_written_as_init_would_write_them() {
    let world = World::new().await;
    world.write("values", VALUES);
    let finished = world
        .cli("render", ONE_EXEC_VARIABLE)
        .args(&["--values", "values", "--out", "a"])
        .finish()
        .await;
    assert_eq!(
        finished.ended_with(0, &world).stdout(),
        "variable DB_PASS 7 bytes\n"
    );
    assert_eq!(world.read("a/db/.environ"), "DB_PASS=hunter2\0");
    assert!(!world.path("a/db.env").exists());
}

#[tokio::test]
async fn what_does_not_fit_the_plan_is_told_with_its_place_and_no_value() {
    let world = World::new().await;
    world.write("values", r#"{"username":"hunter2"}"#);
    let finished = world
        .cli("render", FILES_AND_VARIABLES)
        .args(&["--values", "values"])
        .finish()
        .await;
    finished
        .ended_with(5, &world)
        .said(&["binding `db`", "no key `password`"]);
    for bad in [
        r#"{"username":"hunter2"#,
        r#"{"username":["hunter2"]}"#,
        r#""hunter2""#,
    ] {
        world.write("values", bad);
        let finished = world
            .cli("render", FILES_AND_VARIABLES)
            .args(&["--values", "values"])
            .finish()
            .await;
        finished
            .ended_with(2, &world)
            .said(&["--values: line 1 column ", "JSON object whose values are strings"]);
        assert!(!finished.stderr.contains("hunter2"), "{}", finished.stderr);
    }
}
