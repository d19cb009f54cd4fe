use std::sync::Arc;

use esi_core::{Checkpoint, Handle, InstallationId, Intent, chain};
use esi_generators::GeneratorError;
use esi_tests::postgres::{Release, query};
use rstest::rstest;
use serde_json::json;

use super::world::{Ended, Recorded, World, eventually, refused, sqlstate};

#[rstest]
#[case::system(Release::System)]
#[case::newer(Release::Newer)]
#[tokio::test]
async fn a_revoked_user_cannot_log_in_and_its_sessions_are_cut(#[case] release: Release) {
    let world = World::new(release).await;
    let user = world.issue().await.unwrap();
    let mut idle = world.connect(&user).await.unwrap();
    let mut busy = world.connect(&user).await.unwrap();
    let busy = tokio::spawn(async move { query(&mut busy, "SELECT pg_sleep(600)::text").await });
    let sleeping = format!(
        "SELECT count(*)::text FROM pg_stat_activity WHERE usename = '{}' AND wait_event = 'PgSleep'",
        user.name
    );
    eventually(&world.fixture, &sleeping, "1").await;

    assert!(world.revoke(&user.intent).await.unwrap().is_told());

    assert_eq!(refused(&mut idle, "SELECT 1").await, "57P01");
    assert_eq!(sqlstate(busy.await.unwrap().err().unwrap()), "57P01");
    assert_eq!(sqlstate(world.connect(&user).await.err().unwrap()), "28P01");
    assert_eq!(world.roles().await, [""; 0]);
}

#[rstest]
#[case::system(Release::System)]
#[case::newer(Release::Newer)]
#[tokio::test]
async fn what_the_user_owned_goes_to_the_databases_owner(#[case] release: Release) {
    let world = World::new(release).await;
    let user = world.issue().await.unwrap();
    let mut connection = world.connect(&user).await.unwrap();
    query(
        &mut connection,
        "CREATE TABLE mine AS SELECT 7 AS n; GRANT SELECT ON mine TO PUBLIC",
    )
    .await
    .unwrap();

    world.revoke(&user.intent).await.unwrap();

    assert_eq!(
        world.fixture.ask("SELECT n::text FROM mine").await.unwrap(),
        [["7"]]
    );
    let owner = world
        .fixture
        .ask("SELECT tableowner::text FROM pg_tables WHERE tablename = 'mine'")
        .await;
    assert_eq!(owner.unwrap(), [[world.fixture.owner.as_str()]]);
    assert_eq!(world.roles().await, [""; 0]);
}

#[rstest]
#[case::system(Release::System)]
#[case::newer(Release::Newer)]
#[tokio::test]
async fn what_the_user_owned_goes_to_the_heir_that_the_manifest_names(#[case] release: Release) {
    let mut world = World::new(release).await;
    world.spec["user"]["reassignTo"] = json!(world.fixture.admin);
    let user = world.issue().await.unwrap();
    query(&mut world.connect(&user).await.unwrap(), "CREATE TABLE mine ()")
        .await
        .unwrap();
    world.revoke(&user.intent).await.unwrap();
    let owner = world
        .fixture
        .ask("SELECT tableowner::text FROM pg_tables WHERE tablename = 'mine'")
        .await;
    assert_eq!(owner.unwrap(), [[world.fixture.admin.as_str()]]);
}

#[rstest]
#[case::system(Release::System)]
#[case::newer(Release::Newer)]
#[tokio::test]
async fn destructive_cleanup_drops_what_the_user_owned_and_nothing_else(#[case] release: Release) {
    let mut world = World::new(release).await;
    world.spec["user"]["destructiveCleanup"] = json!(true);
    let user = world.issue().await.unwrap();
    query(&mut world.connect(&user).await.unwrap(), "CREATE TABLE mine ()")
        .await
        .unwrap();
    world.revoke(&user.intent).await.unwrap();
    let tables = world
        .fixture
        .ask("SELECT tablename::text FROM pg_tables WHERE schemaname = 'public'")
        .await;
    assert_eq!(tables.unwrap(), [["item"]]);
    assert_eq!(world.roles().await, [""; 0]);
}

#[rstest]
#[case::system(Release::System)]
#[case::newer(Release::Newer)]
#[tokio::test]
async fn what_the_user_owned_in_a_database_that_no_manifest_names_is_found(#[case] release: Release) {
    let world = World::new(release).await;
    let second = World::new(release).await;
    let grant = format!("GRANT {} TO {}", second.fixture.app, world.fixture.app);
    let member = format!("GRANT {} TO {}", second.fixture.owner, world.fixture.admin);
    world.fixture.ask(&format!("{grant}; {member}")).await.unwrap();
    let user = world.issue().await.unwrap();
    let mut connection = second.fixture.connect(&user.name, &user.password).await.unwrap();
    query(&mut connection, "CREATE TABLE elsewhere ()").await.unwrap();

    world.revoke(&user.intent).await.unwrap();

    let owner = second
        .fixture
        .ask("SELECT tableowner::text FROM pg_tables WHERE tablename = 'elsewhere'")
        .await;
    assert_eq!(owner.unwrap(), [[second.fixture.owner.as_str()]]);
    assert_eq!(world.roles().await, [""; 0]);
}

#[rstest]
#[case::reassigned(Release::System, false)]
#[case::destructive(Release::System, true)]
#[case::newer(Release::Newer, false)]
#[tokio::test]
async fn a_database_that_the_user_created_is_handed_over_and_never_dropped(
    #[case] release: Release,
    #[case] destructive: bool,
) {
    let mut world = World::new(release).await;
    // PostgreSQL 16 and newer: who gives CREATEDB must have it.
    world
        .fixture
        .ask(&format!("ALTER ROLE {} CREATEDB", world.fixture.admin))
        .await
        .unwrap();
    world.spec["user"]["attributes"] = json!([{ "name": "CREATEDB" }]);
    world.spec["user"]["destructiveCleanup"] = json!(destructive);
    let user = world.issue().await.unwrap();
    let name = format!("made_in_{}", world.fixture.database);
    query(
        &mut world.connect(&user).await.unwrap(),
        &format!("CREATE DATABASE {name}"),
    )
    .await
    .unwrap();

    world.revoke(&user.intent).await.unwrap();

    let owner = format!("SELECT pg_get_userbyid(datdba)::text FROM pg_database WHERE datname = '{name}'");
    assert_eq!(
        world.fixture.ask(&owner).await.unwrap(),
        [[world.fixture.owner.as_str()]]
    );
    assert_eq!(world.roles().await, [""; 0]);
}

#[tokio::test]
async fn a_user_that_owns_nothing_needs_no_heir_that_the_admin_may_give_to() {
    let world = World::new(Release::System).await;
    let user = world.issue().await.unwrap();
    let revoke = format!("REVOKE {} FROM {}", world.fixture.owner, world.fixture.admin);
    world.fixture.ask(&revoke).await.unwrap();
    world.revoke(&user.intent).await.unwrap();
    assert_eq!(world.roles().await, [""; 0]);
}

#[rstest]
#[case::system(Release::System)]
#[case::newer(Release::Newer)]
#[tokio::test]
async fn what_a_third_party_granted_directly_ends_with_the_access_and_keeps_the_role(
    #[case] release: Release,
) {
    let world = World::new(release).await;
    let user = world.issue().await.unwrap();
    let grant = format!(
        "CREATE TABLE foreign_to_us (); GRANT SELECT ON foreign_to_us TO {}",
        user.name
    );
    world.fixture.ask(&grant).await.unwrap();

    let ended = Ended::default();
    let error = world
        .generator()
        .revoke(&user.intent, None, &ended)
        .await
        .unwrap_err();

    assert!(ended.is_told());
    assert!(
        matches!(
            error,
            GeneratorError::Rejected { .. } | GeneratorError::Refused { .. }
        ),
        "{error:?}"
    );
    assert!(
        chain(&error).contains("foreign_to_us") || chain(&error).contains("depend"),
        "{}",
        chain(&error)
    );
    assert_eq!(sqlstate(world.connect(&user).await.err().unwrap()), "28P01");
    world.fixture.ask("DROP TABLE foreign_to_us").await.unwrap();
    world.revoke(&user.intent).await.unwrap();
    assert_eq!(world.roles().await, [""; 0]);
}

#[tokio::test]
async fn from_postgresql_16_on_the_admin_need_not_inherit() {
    let world = World::new(Release::Newer).await;
    world
        .fixture
        .ask(&format!("ALTER ROLE {} NOINHERIT", world.fixture.admin))
        .await
        .unwrap();
    let user = world.issue().await.unwrap();
    let mut connection = world.connect(&user).await.unwrap();
    query(&mut connection, "CREATE TABLE mine ()").await.unwrap();
    world.revoke(&user.intent).await.unwrap();
    assert_eq!(refused(&mut connection, "SELECT 1").await, "57P01");
    assert_eq!(world.roles().await, [""; 0]);
}

#[tokio::test]
async fn revoking_twice_or_what_never_was_is_done() {
    let world = World::new(Release::System).await;
    let user = world.issue().await.unwrap();
    for _ in 0..2 {
        assert!(world.revoke(&user.intent).await.unwrap().is_told());
    }
    assert!(world.revoke(&world.intent()).await.unwrap().is_told());
}

#[tokio::test]
async fn two_that_revoke_one_user_at_once_both_succeed() {
    let world = World::new(Release::System).await;
    for _ in 0..5 {
        let user = world.issue().await.unwrap();
        query(
            &mut world.connect(&user).await.unwrap(),
            "CREATE TABLE IF NOT EXISTS mine ()",
        )
        .await
        .unwrap();
        let (one, two) = tokio::join!(world.revoke(&user.intent), world.revoke(&user.intent));
        // One may have met the other's work and be told to try again; then there is nothing left to do.
        assert!(one.is_ok() || two.is_ok());
        world.revoke(&user.intent).await.unwrap();
        world.fixture.ask("DROP TABLE mine").await.unwrap();
        assert_eq!(world.roles().await, [""; 0]);
    }
}

#[tokio::test]
async fn nothing_is_touched_that_does_not_carry_the_intents_name() {
    let world = World::new(Release::System).await;
    let user = world.issue().await.unwrap();
    let name = user.intent.name('_');
    let others = [
        format!("{name}x"),
        format!("x{name}"),
        name.replace('_', "x"),
        Intent {
            installation: InstallationId::random(),
            lease: user.intent.lease,
        }
        .name('_'),
    ];
    for other in &others {
        world.fixture.ask(&format!("CREATE ROLE {other}")).await.unwrap();
    }
    // A part of the name that the manifest had when the user was made, and no longer has.
    world
        .fixture
        .ask(&format!("CREATE ROLE {name}_before"))
        .await
        .unwrap();

    world.revoke(&user.intent).await.unwrap();

    for other in &others {
        // Fails if it is gone.
        world.fixture.ask(&format!("DROP ROLE {other}")).await.unwrap();
    }
    assert_eq!(world.roles().await, [""; 0]);
}

#[tokio::test]
async fn access_has_ended_and_is_told_while_the_clean_up_still_waits() {
    let world = World::new(Release::System).await;
    let user = world.issue().await.unwrap();
    query(&mut world.connect(&user).await.unwrap(), "CREATE TABLE mine ()")
        .await
        .unwrap();
    let mut holder = world.fixture.superuser().await.unwrap();
    query(&mut holder, "BEGIN; LOCK TABLE mine IN ACCESS SHARE MODE")
        .await
        .unwrap();

    let (generator, intent) = (world.generator(), user.intent.clone());
    let ended = Arc::new(Ended::default());
    let revoking = {
        let ended = Arc::clone(&ended);
        tokio::spawn(async move { generator.revoke(&intent, None, &*ended).await })
    };
    let waiting = "SELECT count(*)::text FROM pg_locks WHERE NOT granted AND relation = 'mine'::regclass";
    eventually(&world.fixture, waiting, "1").await;
    assert!(ended.is_told());
    // 28000: not permitted to log in; 28P01: it has no password.
    assert_eq!(sqlstate(world.connect(&user).await.err().unwrap()), "28P01");

    query(&mut holder, "COMMIT").await.unwrap();
    revoking.await.unwrap().unwrap();
    assert_eq!(world.roles().await, [""; 0]);
}

#[tokio::test]
async fn what_a_superuser_would_inherit_waits_for_a_person_and_access_ends_meanwhile() {
    let world = World::new(Release::System).await;
    let (owns, owns_nothing) = (world.issue().await.unwrap(), world.issue().await.unwrap());
    query(&mut world.connect(&owns).await.unwrap(), "CREATE TABLE mine ()")
        .await
        .unwrap();
    let owner = async |to: &str| {
        let alter = format!("ALTER DATABASE {} OWNER TO {to}", world.fixture.database);
        world.fixture.ask(&alter).await.unwrap();
    };
    owner("CURRENT_USER").await;

    let ended = Ended::default();
    let revoked = world.generator().revoke(&owns.intent, None, &ended).await;
    let error = revoked.unwrap_err();
    assert!(
        matches!(
            error,
            GeneratorError::Misconfigured {
                field: "spec.user.reassignTo",
                ..
            }
        ),
        "{error:?}"
    );
    assert!(ended.is_told());
    assert_eq!(sqlstate(world.connect(&owns).await.err().unwrap()), "28P01");
    world.revoke(&owns_nothing.intent).await.unwrap();
    assert_eq!(world.roles().await, [owns.name.as_str()]);

    owner(&world.fixture.owner).await;
    world.revoke(&owns.intent).await.unwrap();
    assert_eq!(world.roles().await, [""; 0]);
}

/// Kills the task that reaches a step, as SIGKILL would the process.
#[derive(Debug)]
struct DieAt(&'static str);

impl Checkpoint for DieAt {
    fn reach(&self, step: &'static str) {
        assert!(step != self.0, "dies at {step}");
    }
}

#[rstest]
#[tokio::test]
async fn whatever_step_it_died_at_a_revocation_from_the_intent_alone_leaves_nothing(
    #[values(
        "postgresql/created-uncommitted",
        "postgresql/committed",
        "postgresql/nologin",
        "postgresql/access-ended",
        "postgresql/reassigned",
        "postgresql/dropped"
    )]
    step: &'static str,
) {
    let mut world = World::new(Release::System).await;
    world.checkpoint = Arc::new(DieAt(step));
    let generator = world.generator();
    let intent = world.intent();
    world.checkpoint = Arc::new(esi_core::NoCheckpoint);
    let world = Arc::new(world);
    let died = {
        let (world, intent) = (Arc::clone(&world), intent.clone());
        tokio::spawn(async move {
            world
                .issue_by(&*generator, &intent, &Recorded::default())
                .await
                .unwrap();
            generator
                .revoke(&intent, Some(&Handle::default()), &Ended::default())
                .await
                .unwrap();
        })
        .await
    };
    let panic = died.unwrap_err().into_panic();
    assert_eq!(
        panic.downcast_ref::<String>().unwrap(),
        &format!("dies at {step}")
    );

    assert!(world.revoke(&intent).await.unwrap().is_told());
    eventually(
        &world.fixture,
        &format!(
            "SELECT count(*)::text FROM pg_stat_activity WHERE usename = '{}'",
            world.fixture.admin
        ),
        "0",
    )
    .await;
    assert_eq!(world.roles().await, [""; 0]);
}

#[tokio::test]
async fn a_user_is_not_said_to_be_gone_because_the_generator_points_to_another_server() {
    let mut world = World::new(Release::System).await;
    let user = world.issue().await.unwrap();
    let other = World::new(Release::Newer).await;
    let home = world.spec.clone();
    world.spec = other.spec.clone();
    let password = std::mem::replace(
        &mut world.fixture.admin_password,
        other.fixture.admin_password.clone(),
    );

    let ended = Ended::default();
    let handle = Some(&user.issued.handle);
    let refused = world.generator().revoke(&user.intent, handle, &ended).await;
    let refused = chain(&refused.unwrap_err());
    assert!(
        refused.contains("spec.host") && refused.contains("may live on there"),
        "{refused}"
    );
    assert!(!ended.is_told());
    assert!(world.connect(&user).await.is_ok(), "it lives on");

    // A mint that never landed is nowhere, and holds nothing up.
    let recorded = Handle::default().with("role", user.name.as_str());
    world
        .generator()
        .revoke(&user.intent, Some(&recorded), &ended)
        .await
        .unwrap();

    // The same server under another name is the same server.
    world.spec = home;
    world.spec["host"] = json!("localhost");
    world.fixture.admin_password = password;
    world
        .generator()
        .revoke(&user.intent, handle, &Ended::default())
        .await
        .unwrap();
    assert_eq!(world.roles().await, [""; 0]);
}

/// What `reassignTo` is for; see the generator's own words on it.
#[rstest]
#[case::to_the_databases_owner(None)]
#[case::to_a_role_that_has_nothing(Some("heir"))]
#[tokio::test]
async fn what_a_user_leaves_behind_runs_with_the_rights_of_its_heir(#[case] heir: Option<&str>) {
    let mut world = World::new(Release::System).await;
    let (owner, app) = (world.fixture.owner.clone(), world.fixture.app.clone());
    world
        .fixture
        .ask(&format!(
            "SET ROLE {owner}; CREATE TABLE salaries AS SELECT 7 AS n"
        ))
        .await
        .unwrap();
    if let Some(heir) = heir {
        let heir = format!("{heir}_{}", world.fixture.database);
        let admin = world.fixture.admin.clone();
        let sql = format!(
            "CREATE ROLE {heir}; GRANT {heir} TO {admin}; GRANT USAGE, CREATE ON SCHEMA public TO {heir}"
        );
        world.fixture.ask(&sql).await.unwrap();
        world.spec["user"]["reassignTo"] = json!(heir);
    }
    let first = world.issue().await.unwrap();
    let mut connection = world.connect(&first).await.unwrap();
    let trap = format!("CREATE VIEW trap AS SELECT * FROM salaries; GRANT SELECT ON trap TO {app}");
    query(&mut connection, &trap).await.unwrap();
    assert_eq!(
        refused(&mut connection, "SELECT n::text FROM trap").await,
        "42501"
    );
    world.revoke(&first.intent).await.unwrap();

    let second = world.issue().await.unwrap();
    let mut connection = world.connect(&second).await.unwrap();
    let read = query(&mut connection, "SELECT n::text FROM trap").await;
    assert_eq!(read.is_ok(), heir.is_none());
}
