use std::time::Duration;

use esi_core::{Classify as _, Ends, chain};
use esi_generators::GeneratorError;
use esi_tests::postgres::{Postgres, Release, query};
use rstest::rstest;
use serde_json::json;

use super::world::{Recorded, TTL, User, World, eventually, refused};

#[rstest]
#[case::system(Release::System)]
#[case::newer(Release::Newer)]
#[tokio::test]
async fn an_issued_user_logs_in_and_has_exactly_its_grants(#[case] release: Release) {
    let mut world = World::new(release).await;
    world.spec["user"]["attributes"] = json!([{ "name": "CONNECTION_LIMIT", "value": "3" }]);
    let user = world.issue().await.unwrap();

    let mut connection = world.connect(&user).await.unwrap();
    assert_eq!(
        query(&mut connection, "SELECT name FROM item").await.unwrap(),
        [["first"]]
    );
    query(&mut connection, "INSERT INTO item VALUES (2, 'second')")
        .await
        .unwrap();
    assert_eq!(refused(&mut connection, "DELETE FROM item").await, "42501");
    assert_eq!(refused(&mut connection, "CREATE ROLE another").await, "42501");

    let attributes = [
        "rolsuper",
        "rolinherit",
        "rolcreaterole",
        "rolcreatedb",
        "rolreplication",
        "rolbypassrls",
        "rolconnlimit",
    ];
    let role = world
        .fixture
        .ask(&format!(
            "SELECT {}::text FROM pg_roles WHERE rolname = '{}'",
            attributes.join("::text, "),
            user.name
        ))
        .await
        .unwrap();
    assert_eq!(role, [["false", "true", "false", "false", "false", "false", "3"]]);
    let members = world
        .fixture
        .ask(&format!(
            "SELECT roleid::regrole::text FROM pg_auth_members WHERE member = '{}'::regrole",
            user.name
        ))
        .await
        .unwrap();
    assert_eq!(members, [[world.fixture.app.as_str()]]);
}

#[tokio::test]
async fn what_is_issued_says_how_long_it_lives_and_how_it_ends() {
    let world = World::new(Release::System).await;
    let user = world.issue().await.unwrap();
    assert!(
        user.name.starts_with(&user.intent.name('_')) && user.name.ends_with("_shop"),
        "{}",
        user.name
    );
    assert_eq!(
        user.issued.credential.keys().collect::<Vec<_>>(),
        ["password", "username"]
    );
    assert_eq!(user.issued.expires_in, TTL);
    assert!(user.issued.renewable);
    assert_eq!(user.issued.ends, Ends::AtOnce);
    assert!((595..=600).contains(&seconds_left(&world, &user).await));
}

#[tokio::test]
async fn neither_password_is_in_the_servers_log_which_has_every_statement() {
    let world = World::new(Release::System).await;
    let user = world.issue().await.unwrap();
    drop(world.connect(&user).await.unwrap());
    let log = world.fixture.server.log();
    assert!(
        log.contains(&format!("CREATE ROLE \"{}\"", user.name)),
        "the log has no statements"
    );
    assert!(log.contains("SCRAM-SHA-256$"));
    assert!(!log.contains(&user.password));
    assert!(!log.contains(&world.fixture.admin_password));
}

#[tokio::test]
async fn a_role_that_does_not_exist_is_refused_by_name_and_not_created() {
    let mut world = World::new(Release::System).await;
    world.spec["user"]["roles"] = json!([world.fixture.app, "no such role"]);
    let error = world.issue().await.err().unwrap();
    assert!(
        matches!(
            error,
            GeneratorError::Misconfigured {
                field: "spec.user.roles",
                ..
            }
        ),
        "{error:?}"
    );
    assert!(!error.to_string().contains("no such role"), "{error}");
    assert!(
        chain(&error).contains("`no such role` does not exist"),
        "{}",
        chain(&error)
    );
    assert_eq!(world.roles().await, [""; 0]);
    let created = world
        .fixture
        .ask("SELECT rolname::text FROM pg_roles WHERE rolname = 'no such role'")
        .await;
    assert!(created.unwrap().is_empty());
}

#[tokio::test]
async fn an_heir_that_does_not_exist_is_refused_before_anybody_owns_anything() {
    let mut world = World::new(Release::System).await;
    world.spec["user"]["reassignTo"] = json!("nobody");
    let error = world.issue().await.err().unwrap();
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
}

#[tokio::test]
async fn a_workload_is_not_made_the_admin() {
    let mut world = World::new(Release::System).await;
    let sql = format!("GRANT {} TO {}", world.fixture.admin, world.fixture.app);
    world.fixture.ask(&sql).await.unwrap();
    for role in [&world.fixture.admin, &world.fixture.app] {
        world.spec["user"]["roles"] = json!([role]);
        let error = world.issue().await.err().unwrap();
        assert!(chain(&error).contains("would be the admin"), "{}", chain(&error));
    }
}

#[rstest]
#[case::system(Release::System)]
#[case::newer(Release::Newer)]
#[tokio::test]
async fn hostile_names_are_names_and_nothing_else(#[case] release: Release) {
    const ROLE: &str = "we\"ird'; DROP TABLE item; --é\\";
    let mut world = World::new(release).await;
    let quoted = ROLE.replace('"', "\"\"");
    let option = format!("GRANT \"{quoted}\" TO {} WITH ADMIN OPTION", world.fixture.admin);
    let create = format!("DROP ROLE IF EXISTS \"{quoted}\"; CREATE ROLE \"{quoted}\"; {option}");
    world.fixture.ask(&create).await.unwrap();
    world.spec["user"] = json!({ "username": "É\"; DROP TABLE item; --", "roles": [ROLE] });
    let user = world.issue().await.unwrap();

    let members = format!(
        "SELECT r.rolname::text FROM pg_auth_members m JOIN pg_roles r ON r.oid = m.roleid WHERE m.member = '{}'::regrole",
        user.name
    );
    assert_eq!(world.fixture.ask(&members).await.unwrap(), [[ROLE]]);
    assert_eq!(
        world.fixture.ask("SELECT name FROM item").await.unwrap(),
        [["first"]]
    );
    assert!(user.name.ends_with("_____drop_table_it"), "{}", user.name);
    world.revoke(&user.intent).await.unwrap();
    world
        .fixture
        .ask(&format!("DROP ROLE \"{quoted}\""))
        .await
        .unwrap();
}

#[tokio::test]
async fn nothing_is_recorded_before_the_mint_since_the_durable_intent_names_the_role() {
    let world = World::new(Release::System).await;
    let (recorded, intent) = (Recorded::default(), world.intent());
    let issued = world
        .issue_by(&*world.generator(), &intent, &recorded)
        .await
        .unwrap();
    assert!(recorded.0.lock().unwrap().is_empty());
    let role = format!("{}_shop", intent.name('_'));
    assert_eq!(issued.handle.text("role"), Some(role.as_str()));
    assert_eq!(
        issued.handle.text("database"),
        Some(world.fixture.database.as_str())
    );
    assert_eq!(world.roles().await, [role]);
}

#[tokio::test]
async fn an_admin_that_may_not_create_users_is_told_so() {
    let world = World::new(Release::System).await;
    world
        .fixture
        .ask(&format!("ALTER ROLE {} NOCREATEROLE", world.fixture.admin))
        .await
        .unwrap();
    let error = world.issue().await.err().unwrap();
    assert!(matches!(error, GeneratorError::Refused { .. }), "{error:?}");
    assert_eq!(error.kind(), "backend_refused");
    assert!(chain(&error).contains("permission denied"), "{}", chain(&error));
}

#[tokio::test]
async fn many_issues_share_a_connection() {
    let world = World::new(Release::System).await;
    let generator = world.generator();
    for _ in 0..20 {
        world
            .issue_by(&*generator, &world.intent(), &Recorded::default())
            .await
            .unwrap();
    }
    let sql = format!(
        "SELECT count(*)::text FROM pg_stat_activity WHERE usename = '{}'",
        world.fixture.admin
    );
    assert_eq!(world.fixture.ask(&sql).await.unwrap(), [["1"]]);
    assert_eq!(world.roles().await.len(), 20);
}

#[tokio::test]
async fn a_connection_that_nobody_uses_is_closed_after_a_minute() {
    let world = World::new(Release::System).await;
    let generator = world.generator();
    world
        .issue_by(&*generator, &world.intent(), &Recorded::default())
        .await
        .unwrap();
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(45)).await;
    tokio::task::yield_now().await;
    tokio::time::advance(Duration::from_secs(45)).await;
    tokio::task::yield_now().await;
    tokio::time::resume();
    let sql = format!(
        "SELECT count(*)::text FROM pg_stat_activity WHERE usename = '{}'",
        world.fixture.admin
    );
    eventually(&world.fixture, &sql, "0").await;
    // And the next one opens another.
    world
        .issue_by(&*generator, &world.intent(), &Recorded::default())
        .await
        .unwrap();
}

#[tokio::test]
async fn parallel_issues_are_bounded_in_connections_and_all_succeed() {
    let world = World::new(Release::System).await;
    let generator = world.generator();
    let recorder = Recorded::default();
    let intents: Vec<_> = (0..40).map(|_| world.intent()).collect();
    let mut users = Vec::new();
    let mut running: Vec<_> = intents
        .iter()
        .map(|intent| Box::pin(world.issue_by(&*generator, intent, &recorder)))
        .collect();
    // Polled together, so that they overlap.
    std::future::poll_fn(|cx| {
        running.retain_mut(|issue| match issue.as_mut().poll(cx) {
            std::task::Poll::Ready(result) => {
                users.push(result.unwrap());
                false
            }
            std::task::Poll::Pending => true,
        });
        if running.is_empty() {
            std::task::Poll::Ready(())
        } else {
            std::task::Poll::Pending
        }
    })
    .await;
    assert_eq!(users.len(), 40);
    let sql = format!(
        "SELECT (count(*) <= 8)::text FROM pg_stat_activity WHERE usename = '{}'",
        world.fixture.admin
    );
    assert_eq!(world.fixture.ask(&sql).await.unwrap(), [["true"]]);
}

#[rstest]
#[case::system(Release::System)]
#[case::newer(Release::Newer)]
#[tokio::test]
async fn renewing_moves_the_expiry_until_the_user_is_revoked(#[case] release: Release) {
    let world = World::new(release).await;
    let generator = world.generator();
    let user = world.issue().await.unwrap();
    let renewed = generator
        .renew(&user.intent, &user.issued.handle, Duration::from_secs(7200))
        .await
        .unwrap();
    assert_eq!(renewed.expires_in, Duration::from_secs(7200));
    assert!((7195..=7200).contains(&seconds_left(&world, &user).await));

    world.revoke(&user.intent).await.unwrap();
    let error = generator
        .renew(&user.intent, &user.issued.handle, TTL)
        .await
        .unwrap_err();
    assert!(matches!(error, GeneratorError::NotRenewable), "{error:?}");
}

#[tokio::test]
async fn an_expired_user_cannot_log_in_even_if_nobody_revokes_it() {
    let world = World::new(Release::System).await;
    let user = world.issue().await.unwrap();
    // A time to live of nothing: it ends now.
    world
        .generator()
        .renew(&user.intent, &user.issued.handle, Duration::ZERO)
        .await
        .unwrap();
    let error = world.connect(&user).await.err().unwrap();
    assert_eq!(super::world::sqlstate(error), "28P01");
}

#[tokio::test]
async fn a_superuser_inherits_only_where_the_manifest_says_who_does() {
    let mut world = World::new(Release::System).await;
    let to_superuser = format!("ALTER DATABASE {} OWNER TO CURRENT_USER", world.fixture.database);
    world.fixture.ask(&to_superuser).await.unwrap();
    let error = world.issue().await.err().unwrap();
    let words = chain(&error);
    assert!(
        matches!(
            error,
            GeneratorError::Misconfigured {
                field: "spec.user.reassignTo",
                ..
            }
        ) && words.contains("write `reassignTo: "),
        "{words}"
    );
    assert_eq!(world.roles().await, [""; 0]);

    world.spec["user"]["reassignTo"] = json!(world.fixture.owner);
    world.issue().await.unwrap();
    world.spec["user"]["reassignTo"] = json!(null);
    world.spec["user"]["destructiveCleanup"] = json!(true);
    world.issue().await.unwrap();
}

#[tokio::test]
async fn a_broken_manifest_is_refused_without_asking_the_server() {
    let world = World::new(Release::System).await;
    let cases = [
        ("host", json!("/run/postgresql"), "spec.host"),
        ("host", json!("evil@db"), "spec.host"),
        ("port", json!("0"), "spec.port"),
        ("database", json!("a\0b"), "spec.database"),
        ("caBundle", json!("not pem"), "spec.caBundle"),
    ];
    for (field, value, expected) in cases {
        let mut world = World::with(Postgres::shared(Release::System).fixture().await.unwrap());
        world.spec["sslMode"] = json!("verify-full");
        world.spec[field] = value;
        let error = world.try_generator().unwrap_err();
        assert!(
            matches!(error, GeneratorError::Misconfigured { field, .. } if field == expected),
            "{error:?}"
        );
    }
    drop(world);
}

async fn seconds_left(world: &World, user: &User) -> i64 {
    let sql = format!(
        "SELECT extract(epoch FROM rolvaliduntil - now())::int::text FROM pg_roles WHERE rolname = '{}'",
        user.name
    );
    world.fixture.ask(&sql).await.unwrap()[0][0].parse().unwrap()
}
