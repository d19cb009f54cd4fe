//! Writing as the user of a pod.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::path::Path;

use super::common::{Content, volume};
use esi_core::SecretBytes;
use esi_delivery::{DeliveryError, Volume, act_as, write_env_file};

const USER: u32 = 4711;
const GROUP: u32 = 4712;

/// Only root may be somebody else.
fn is_root() -> bool {
    let root = rustix::process::geteuid().is_root();
    if !root {
        eprintln!("skipped: this needs root");
    }
    root
}

fn owned(path: &Path, mode: u32) {
    chown(path, Some(USER), Some(GROUP)).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn what_is_written_belongs_to_the_owner_and_only_that_thread_was_somebody_else() {
    if !is_root() {
        return;
    }
    let (directory, volume) = volume();
    owned(directory.path(), 0o2750);
    act_as(Some(USER), Some(GROUP), || {
        Content::new()
            .file("tls/key.pem", "0440", "KEY")
            .write(&volume, 1)
    })
    .unwrap();
    for name in ["..data", "tls", "tls/key.pem"] {
        let metadata = fs::metadata(directory.path().join(name)).unwrap();
        assert_eq!((metadata.uid(), metadata.gid()), (USER, GROUP), "{name}");
    }
    let mine = directory.path().join("mine");
    fs::write(&mine, "").unwrap();
    assert_eq!(fs::metadata(mine).unwrap().uid(), 0, "this thread is still root");
}

#[test]
fn the_owner_may_do_what_the_pod_may_and_no_more() {
    if !is_root() {
        return;
    }
    let (directory, volume) = volume();
    let path = directory.path();
    owned(path, 0o700);
    let write = |generation| {
        act_as(Some(USER), Some(GROUP), || {
            Content::new().file("a", "0400", "x").write(&volume, generation)
        })
    };
    write(1).unwrap();

    // What root keeps to itself is not read, nor written to.
    let private = tempfile::tempdir().unwrap();
    let root_only = Volume::open(private.path()).unwrap();
    let denied = act_as(Some(USER), Some(GROUP), || {
        write_env_file(&root_only, "db.env", &SecretBytes::from("A='1'\n"))
    });
    assert!(matches!(denied, Err(DeliveryError::Denied { .. })), "{denied:?}");
    assert_eq!(fs::read_dir(private.path()).unwrap().count(), 0);

    // What the pod forbids itself is reported, and what was seen before stays.
    fs::set_permissions(path, fs::Permissions::from_mode(0o500)).unwrap();
    let denied = write(2);
    assert!(matches!(denied, Err(DeliveryError::Denied { .. })), "{denied:?}");
    assert_eq!(fs::read(path.join("a")).unwrap(), b"x");
    fs::set_permissions(path, fs::Permissions::from_mode(0o700)).unwrap();
    write(3).unwrap();
}

#[test]
fn a_defect_in_the_work_is_an_error() {
    let outcome = act_as(None, None, || -> Result<(), DeliveryError> { panic!("a defect") });
    assert!(outcome.is_err());
}
