//! A mint that was given up never lands.

use std::sync::Arc;
use std::time::Duration;

use esi_core::Checkpoint;
use esi_generators::GeneratorError;
use esi_tests::postgres::{Postgres, Release, query};
use sqlx::postgres::PgConnection;

use super::world::{Recorded, World, eventually};

/// Lets nobody change memberships (so that GRANT waits) until the connection ends its transaction.
async fn hold(world: &World) -> PgConnection {
    let mut holder = world.fixture.superuser().await.unwrap();
    query(&mut holder, "BEGIN; LOCK TABLE pg_auth_members IN SHARE MODE")
        .await
        .unwrap();
    holder
}

/// The admin's sessions that wait for a lock.
fn waiting(world: &World) -> String {
    format!(
        "SELECT count(*)::text FROM pg_stat_activity WHERE usename = '{}' AND wait_event_type = 'Lock'",
        world.fixture.admin
    )
}

/// The admin's sessions.
fn sessions(world: &World) -> String {
    format!(
        "SELECT count(*)::text FROM pg_stat_activity WHERE usename = '{}'",
        world.fixture.admin
    )
}

/// On a server of its own: the lock stops every other test.
async fn world() -> World {
    let server: &'static Postgres = Box::leak(Box::new(Postgres::start(Release::System).unwrap()));
    World::with(server.fixture().await.unwrap())
}

#[tokio::test]
async fn a_mint_that_waited_for_a_lock_beyond_its_deadline_never_lands() {
    let mut world = world().await;
    world.deadline = Duration::from_secs(1);
    let mut holder = hold(&world).await;
    let error = world.issue().await.err().unwrap();
    assert!(matches!(error, GeneratorError::Timeout { .. }), "{error:?}");
    eventually(&world.fixture, &sessions(&world), "0").await;
    query(&mut holder, "COMMIT").await.unwrap();
    assert_eq!(world.roles().await, [""; 0]);
}

#[tokio::test]
async fn a_mint_whose_client_was_killed_while_it_waited_never_lands() {
    let world = Arc::new(world().await);
    let mut holder = hold(&world).await;
    let minting = {
        let world = Arc::clone(&world);
        tokio::spawn(async move { world.issue().await.map(drop) })
    };
    eventually(&world.fixture, &waiting(&world), "1").await;
    minting.abort();
    assert!(minting.await.unwrap_err().is_cancelled());
    // The server has not noticed: it is still waiting.
    eventually(&world.fixture, &waiting(&world), "1").await;
    query(&mut holder, "COMMIT").await.unwrap();
    eventually(&world.fixture, &sessions(&world), "0").await;
    assert_eq!(world.roles().await, [""; 0]);
}

/// Stands still before the commit until the server has lost patience.
#[derive(Debug)]
struct Stall(&'static Postgres);

impl Checkpoint for Stall {
    fn reach(&self, step: &'static str) {
        if step == "postgresql/created-uncommitted" {
            while !self.0.log().contains("idle-in-transaction timeout") {
                std::thread::sleep(Duration::from_millis(10));
            }
        }
    }
}

#[tokio::test]
async fn a_client_that_stalls_before_its_commit_is_cut_off_and_holds_no_lock() {
    let mut world = world().await;
    world.deadline = Duration::from_secs(1);
    world.checkpoint = Arc::new(Stall(world.fixture.server));
    let error = world.issue().await.err().unwrap();
    assert!(
        matches!(
            error,
            GeneratorError::Timeout { .. } | GeneratorError::Unavailable { .. }
        ),
        "{error:?}"
    );
    assert_eq!(world.roles().await, [""; 0]);
}

#[tokio::test]
async fn a_commit_that_arrives_after_the_deadline_does_nothing() {
    // The statements of a mint, sent by hand, the deadline being a minute ago.
    let world = World::new(Release::System).await;
    let mut admin = world
        .fixture
        .connect(&world.fixture.admin, &world.fixture.admin_password)
        .await
        .unwrap();
    let intent = world.intent();
    world
        .issue_by(&*world.generator(), &intent, &Recorded::default())
        .await
        .unwrap();
    let log = world.fixture.server.log();
    let close = log
        .lines()
        .rev()
        .find(|line| line.contains("SELECT (1 / (clock_timestamp() <"))
        .expect("the deadline is checked");
    assert!(close.contains("::timestamptz)::int)::text; COMMIT"), "{close}");
    let role = world.intent().name('_');
    query(&mut admin, &format!("BEGIN; CREATE ROLE {role}"))
        .await
        .unwrap();
    let error = query(
        &mut admin,
        "SELECT (1 / (clock_timestamp() < (clock_timestamp() - interval '1 minute')::text::timestamptz)::int)::text; COMMIT",
    )
    .await
    .err()
    .unwrap();
    assert_eq!(super::world::sqlstate(error), "22012");
    query(&mut admin, "COMMIT").await.unwrap();
    assert_eq!(world.roles().await, [format!("{}_shop", intent.name('_'))]);
}
