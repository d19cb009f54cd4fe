//! A server that is down, refuses, says nothing or talks nonsense.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::time::Duration;

use esi_core::{Classify as _, Retry};
use esi_generators::GeneratorError;
use esi_tests::postgres::{Postgres, Release};
use esi_tests::process::free_port;
use serde_json::json;

use super::world::{Recorded, World};

async fn world() -> World {
    World::new(Release::System).await
}

/// A listener that hands each connection to `behave`.
fn listen(behave: impl Fn(std::net::TcpStream) + Send + 'static) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        let mut held = Vec::new();
        for stream in listener.incoming() {
            let stream = stream.unwrap();
            held.push(stream.try_clone().unwrap());
            behave(stream);
        }
    });
    port
}

#[tokio::test]
async fn a_server_that_is_not_there_is_unavailable_at_once() {
    let mut world = world().await;
    world.spec["port"] = json!(free_port().unwrap());
    world.deadline = Duration::from_secs(600);
    let error = tokio::time::timeout(Duration::from_secs(5), world.issue())
        .await
        .expect("a refused connection is not waited for")
        .err()
        .unwrap();
    assert!(matches!(error, GeneratorError::Unavailable { .. }), "{error:?}");
    assert_eq!(error.retry(), Retry::Backoff);
    assert!(!error.to_string().contains("localhost"), "{error}");
}

#[tokio::test]
async fn a_wrong_admin_password_is_refused() {
    let mut world = world().await;
    world.fixture.admin_password = "wrong".to_owned();
    let error = world.issue().await.err().unwrap();
    assert!(matches!(error, GeneratorError::Refused { .. }), "{error:?}");
}

#[tokio::test]
async fn a_database_that_does_not_exist_is_rejected() {
    let mut world = world().await;
    world.spec["database"] = json!("nowhere");
    let error = world.issue().await.err().unwrap();
    assert!(matches!(error, GeneratorError::Rejected { .. }), "{error:?}");
}

#[tokio::test]
async fn a_server_that_says_nothing_is_given_up_at_the_deadline() {
    let mut world = world().await;
    world.spec["port"] = json!(listen(drop));
    world.deadline = Duration::from_millis(300);
    let error = tokio::time::timeout(Duration::from_secs(5), world.issue())
        .await
        .expect("the deadline holds")
        .err()
        .unwrap();
    assert!(matches!(error, GeneratorError::Timeout { .. }), "{error:?}");
}

#[tokio::test]
async fn a_server_that_talks_nonsense_is_not_understood() {
    for answer in [
        &b"HTTP/1.1 400 Bad Request\r\n\r\n"[..],
        b"N\0\0\0\0\0",
        b"NE\0\0\0\x04",
    ] {
        let mut world = world().await;
        let port = listen(move |mut stream| {
            let mut request = [0; 8];
            stream.read_exact(&mut request).unwrap();
            stream.write_all(answer).unwrap();
            stream.shutdown(std::net::Shutdown::Write).unwrap();
        });
        world.spec["port"] = json!(port);
        world.deadline = Duration::from_secs(2);
        let error = world.issue().await.err().unwrap();
        assert!(
            matches!(
                error,
                GeneratorError::BadAnswer { .. }
                    | GeneratorError::Unavailable { .. }
                    | GeneratorError::Timeout { .. }
            ),
            "{answer:?}: {error:?}"
        );
        assert_eq!(error.retry(), Retry::Backoff);
    }
}

#[tokio::test]
async fn a_restart_in_the_middle_breaks_no_later_issue() {
    let server: &'static Postgres = Box::leak(Box::new(Postgres::start(Release::System).unwrap()));
    let world = World::with(server.fixture().await.unwrap());
    let generator = world.generator();
    let before = world.intent();
    world
        .issue_by(&*generator, &before, &Recorded::default())
        .await
        .unwrap();

    server.stop().unwrap();
    let down = world
        .issue_by(&*generator, &world.intent(), &Recorded::default())
        .await
        .err()
        .unwrap();
    assert!(matches!(down, GeneratorError::Unavailable { .. }), "{down:?}");
    let pending = generator
        .revoke(&before, None, &super::world::Ended::default())
        .await
        .unwrap_err();
    assert!(
        matches!(pending, GeneratorError::Unavailable { .. }),
        "{pending:?}"
    );

    server.start_again().unwrap();
    let after = world.intent();
    world
        .issue_by(&*generator, &after, &Recorded::default())
        .await
        .unwrap();
    generator
        .revoke(&before, None, &super::world::Ended::default())
        .await
        .unwrap();
    assert_eq!(world.roles().await, [format!("{}_shop", after.name('_'))]);
}

#[tokio::test]
async fn a_kept_connection_that_broke_is_replaced_unseen() {
    let server: &'static Postgres = Box::leak(Box::new(Postgres::start(Release::System).unwrap()));
    let world = World::with(server.fixture().await.unwrap());
    let generator = world.generator();
    world
        .issue_by(&*generator, &world.intent(), &Recorded::default())
        .await
        .unwrap();
    server.stop().unwrap();
    server.start_again().unwrap();
    world
        .issue_by(&*generator, &world.intent(), &Recorded::default())
        .await
        .unwrap();
    assert_eq!(world.roles().await.len(), 2);
}
