//! A disk that is really full, and one that is really read-only: tmpfs in a mount namespace of the test's own.

use std::path::Path;
use std::process::Command;

use tokio::task::JoinSet;

use super::*;
use crate::conformance::new_lease;

fn run(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output().unwrap();
    let said =
        String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{program} {arguments:?}: {said}");
    said
}

fn in_a_mount_namespace_of_its_own(test: &str) {
    let binary = std::env::current_exe().unwrap();
    let test = format!("sqlite::tests::disk::{test}");
    let binary = binary.to_str().unwrap();
    let said = run(
        "unshare",
        &[
            "--mount",
            "--propagation",
            "private",
            binary,
            "--exact",
            &test,
            "--ignored",
        ],
    );
    assert!(said.contains("1 passed"), "{test} is not run: {said}");
}

fn mount(folder: &Path, options: &str) {
    run(
        "mount",
        &["-t", "tmpfs", "-o", options, "tmpfs", folder.to_str().unwrap()],
    );
}

fn remount(folder: &Path, options: &str) {
    let options = format!("remount,{options}");
    run("mount", &["-o", &options, folder.to_str().unwrap()]);
}

#[test]
fn a_full_disk_refuses_what_it_cannot_keep_and_is_used_again_without_a_restart() {
    in_a_mount_namespace_of_its_own("full");
}

#[test]
fn a_read_only_disk_is_refused_at_the_start() {
    in_a_mount_namespace_of_its_own("read_only");
}

#[tokio::test]
#[ignore = "mounts: started by the test above in a mount namespace"]
async fn full() {
    let folder = tempfile::tempdir().unwrap();
    mount(folder.path(), "size=512k");
    let path = folder.path().join("ledger.db");
    let store = Arc::new(SqliteStore::open(&path, clock()).unwrap());
    let mut kept = Vec::new();
    let mut refused = 0;
    for round in 0..200 {
        let mut calls = JoinSet::new();
        for caller in 0..32 {
            let (store, key) = (Arc::clone(&store), key(&format!("{round}-{caller}")));
            calls.spawn(async move { (store.begin(new_lease(&key)).await, key) });
        }
        while let Some(call) = calls.join_next().await {
            match call.unwrap() {
                (Ok(_), key) => kept.push(key),
                (Err(StoreError::Unavailable(_)), _key) => refused += 1,
                (Err(other), _key) => panic!("{other:?}"),
            }
        }
        if refused > 64 {
            break;
        }
    }
    assert!(refused > 64, "the disk was never full");
    assert!(!kept.is_empty());

    remount(folder.path(), "size=64m");
    store.begin(new_lease(&key("after"))).await.unwrap();
    kept.push(key("after"));
    drop(store);
    let store = SqliteStore::open(&path, clock()).unwrap();
    for key in &kept {
        assert!(
            store.newest(key).await.unwrap().is_some(),
            "{key} was answered and is lost"
        );
    }
    let counts = store.counts().await.unwrap();
    assert_eq!(
        counts.values().sum::<u64>(),
        kept.len() as u64,
        "what was refused left nothing"
    );
}

#[tokio::test]
#[ignore = "mounts: started by the test above in a mount namespace"]
async fn read_only() {
    let folder = tempfile::tempdir().unwrap();
    mount(folder.path(), "size=4m");
    let path = folder.path().join("ledger.db");
    drop(SqliteStore::open(&path, clock()).unwrap());
    remount(folder.path(), "ro");
    for path in [path, folder.path().join("new.db")] {
        let refused = SqliteStore::open(&path, clock()).unwrap_err();
        assert!(matches!(refused, OpenError::ReadOnly), "{refused:?}");
    }
}
