//! What breaks around the server.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use esi_tests::eventually;
use esi_tests::federation::{Federation, issue_request, request_id, value};
use esi_tests::issuer::Pod;
use esi_tests::postgres::{Postgres, Release};
use esi_tests::process::Server;
use tonic::Code;

use super::world::{SHOP, World, manifests};

/// A PostgreSQL of this test's own; it lives as long as the tests.
fn own_postgres() -> &'static Postgres {
    Box::leak(Box::new(Postgres::start(Release::System).unwrap()))
}

#[tokio::test]
async fn a_revocation_waits_for_a_backend_that_is_down_and_is_finished_when_it_is_back() {
    let postgres = own_postgres();
    let fixture = postgres.fixture().await.unwrap();
    let federation = Federation::start_with(&manifests(&fixture), &[SHOP]).unwrap();
    let world = World { fixture, federation };
    let mut client = world.federation.client(&Pod::new()).await.unwrap();
    let issued = client.issue(SHOP).await.unwrap();
    postgres.stop().unwrap();
    assert_eq!(
        client.revoke().await.unwrap(),
        1,
        "the call does not wait for the backend"
    );
    let down = client.issue(SHOP).await.unwrap_err();
    assert_eq!(down.code(), Code::Unavailable, "{down}");
    assert!(!down.message().contains(&postgres.port().to_string()), "{down}");
    postgres.start_again().unwrap();
    eventually("the user is gone", async || world.users().await.is_empty()).await;
    assert!(!world.can_log_in(&issued).await);
    let again = client.issue(SHOP).await.unwrap();
    assert_eq!(world.users().await, BTreeSet::from([value(&again, "username")]));
}

/// A small file system of its own below the server's directory, gone at the end.
struct SmallDisk<'a>(&'a Path);

impl<'a> SmallDisk<'a> {
    fn mount(at: &'a Path, size: &str) -> Self {
        std::fs::create_dir(at).unwrap();
        let option = format!("size={size}");
        let status = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &option, "tmpfs"])
            .arg(at)
            .status();
        assert!(
            status.unwrap().success(),
            "this test mounts a tmpfs and needs root"
        );
        Self(at)
    }
}

impl Drop for SmallDisk<'_> {
    fn drop(&mut self) {
        Command::new("umount").arg("-l").arg(self.0).status().unwrap();
    }
}

#[tokio::test]
async fn a_full_disk_under_the_ledger_mints_nothing_and_heals_when_there_is_room() {
    let mut world = World::prepare().await;
    let disk = world.federation.dir().join("disk");
    let _mounted = SmallDisk::mount(&disk, "2m");
    let ledger = format!("sqlite:{}", disk.join("ledger.db").display());
    let tls = world.federation.dir().join("tls").display().to_string();
    world.federation.flags(&["--tls-dir", &tls]);
    world.federation.start_on(&ledger).unwrap();
    let mut client = world.federation.client(&Pod::new()).await.unwrap();
    let first = client.issue(SHOP).await.unwrap();
    client.acknowledge(1).await.unwrap();

    let ballast = disk.join("ballast");
    // Until nothing more fits: the write fails at the end of the disk.
    std::fs::write(&ballast, vec![0; 4 * 1024 * 1024]).unwrap_err();
    let mut refused = None;
    for _ in 0..2000 {
        if let Err(status) = client.issue(SHOP).await {
            refused = Some(status);
            break;
        }
    }
    let refused = refused.expect("the ledger runs out of room");
    assert_eq!(refused.code(), Code::Unavailable, "{refused}");
    assert!(world.can_log_in(&first).await, "what is in use goes on");
    std::fs::remove_file(&ballast).unwrap();

    let mut issued = None;
    for _ in 0..500 {
        if let Ok(answer) = client.issue(SHOP).await {
            issued = Some(answer);
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    let issued = issued.expect("it works again without a restart");
    eventually("only what the ledger knows is left", async || {
        world.users().await == BTreeSet::from([value(&first, "username"), value(&issued, "username")])
    })
    .await;
}

#[tokio::test]
async fn a_second_server_on_the_same_ledger_is_refused() {
    let world = World::start().await;
    let ledger = format!("sqlite:{}", world.federation.ledger().display());
    let catalog = world.federation.dir().join("catalog").display().to_string();
    let args = [
        "serve",
        "--catalog",
        &catalog,
        "--ledger",
        &ledger,
        "--listen",
        "127.0.0.1:0",
        "--admin-listen",
        "127.0.0.1:0",
    ];
    let log = world.federation.dir().join("second.log");
    let mut second = Server::start(
        "root",
        &esi_tests::federation::binary("esi-federation").unwrap(),
        &args,
        &log,
    )
    .unwrap();
    assert!(!second.wait().unwrap().success());
    assert!(
        second.log().contains("another server has the lease ledger open"),
        "{}",
        second.log()
    );
}

#[test]
fn a_log_filter_that_is_not_valid_is_told_although_there_is_no_log() {
    let output = Command::new(esi_tests::federation::binary("esi-federation").unwrap())
        .args(["--log", "a=b=c", "dev"])
        .output()
        .unwrap();
    assert!(!output.status.success());
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("write it like `info,"), "{said}");
}

#[tokio::test]
async fn a_server_that_is_told_to_stop_finishes_what_runs_and_says_so_on_its_readiness() {
    let mut world = World::start().await;
    let mut client = world.federation.client(&Pod::new()).await.unwrap();
    let issue = tokio::spawn(async move { client.issue(SHOP).await });
    // The call is under way once the ledger has its intent.
    eventually("the issue has begun", async || {
        issue.is_finished() || !world.users().await.is_empty()
    })
    .await;
    world.federation.process().signal("TERM").unwrap();
    assert!(world.federation.process().wait().unwrap().success());
    let issued = issue.await.unwrap().unwrap();
    assert!(world.can_log_in(&issued).await, "a stop revokes nothing");
}

#[tokio::test]
async fn hostile_requests_are_refused_with_the_field_at_fault() {
    let world = World::start().await;
    let mut client = world.federation.client(&Pod::new()).await.unwrap();
    let good = || issue_request(SHOP, "db", &request_id());
    let mut cases = vec![];
    let mut bad = good();
    bad.binding = "../db".to_owned();
    cases.push(("binding", bad));
    let mut bad = good();
    bad.request_id = "x".to_owned();
    cases.push(("request_id", bad));
    let mut bad = good();
    bad.source = None;
    cases.push(("source", bad));
    let mut bad = good();
    bad.ttl = Some(prost_types::Duration {
        seconds: -5,
        nanos: 0,
    });
    cases.push(("ttl", bad));
    let mut bad = good();
    bad.binding = "a".repeat(100_000);
    cases.push(("binding", bad));
    for (field, request) in cases {
        let status = client.issue_as(request).await.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument, "{field}: {status}");
        assert!(
            status.message().starts_with(field) && status.message().len() < 500,
            "{field}: {status}"
        );
    }
    let mut huge = good();
    huge.binding = "a".repeat(10_000_000);
    assert!(client.issue_as(huge).await.is_err());
    assert!(client.issue(SHOP).await.is_ok(), "the server goes on");
}
