//! A volume without room: the older generation stays whole.

use std::os::fd::OwnedFd;

use super::common::Content;
use esi_core::{Classify as _, Code, Generation, SecretBytes};
use esi_delivery::{DeliveryError, Volume, write_env_file};
use rustix::fs::{Mode, OFlags};
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, fsconfig_create, fsconfig_set_string, fsmount, fsopen,
};

/// A file system in memory that is mounted nowhere: seen through its descriptor only. None where this process
/// may not make one.
fn tmpfs(options: &[(&str, &str)]) -> Option<OwnedFd> {
    let context = match fsopen("tmpfs", FsOpenFlags::FSOPEN_CLOEXEC) {
        Err(rustix::io::Errno::PERM) => {
            eprintln!("skipped: this needs CAP_SYS_ADMIN");
            return None;
        }
        context => context.unwrap(),
    };
    for (option, value) in options {
        fsconfig_set_string(&context, *option, *value).unwrap();
    }
    fsconfig_create(&context).unwrap();
    Some(fsmount(&context, FsMountFlags::FSMOUNT_CLOEXEC, MountAttrFlags::empty()).unwrap())
}

fn read(root: &OwnedFd, name: &str) -> Vec<u8> {
    let file = rustix::fs::openat(root, name, OFlags::RDONLY, Mode::empty()).unwrap();
    let mut bytes = Vec::new();
    std::io::Read::read_to_end(&mut std::fs::File::from(file), &mut bytes).unwrap();
    bytes
}

fn entries(root: &OwnedFd) -> usize {
    // The descriptor of a mount is `O_PATH`.
    let readable = rustix::fs::openat(root, ".", OFlags::RDONLY | OFlags::DIRECTORY, Mode::empty()).unwrap();
    let names = rustix::fs::Dir::new(readable)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_owned());
    names
        .filter(|name| name.as_c_str() != c"." && name.as_c_str() != c"..")
        .count()
}

#[test]
fn a_generation_that_does_not_fit_changes_nothing() {
    // Room by bytes, or by inodes: the root, `..data`, one generation's directory and file, a link, and two more.
    for options in [("size", "64k"), ("nr_inodes", "8")] {
        let Some(root) = tmpfs(&[options]) else { return };
        let volume = Volume::from_fd(root.try_clone().unwrap());
        Content::new().file("a", "0440", "old").write(&volume, 1).unwrap();
        let mut big = Content::new().file("a", "0440", "new");
        for index in 0..16 {
            big = big.file(&format!("b{index}/c"), "0440", &"x".repeat(8 * 1024));
        }
        for _ in 0..3 {
            let error = big.write(&volume, 2).unwrap_err();
            assert!(
                matches!(
                    error,
                    DeliveryError::Full {
                        files: 17,
                        bytes: 131_075,
                        ..
                    }
                ),
                "{error:?}"
            );
            assert_eq!(error.code(), Code::ResourceExhausted);
            assert!(error.to_string().contains("131075 bytes in 17 files"), "{error}");
            assert_eq!(read(&root, "a"), b"old");
            assert_eq!(volume.current().unwrap(), Some(Generation::new(1)));
            assert_eq!(entries(&root), 3, "what was staged is gone");
        }
        Content::new().file("a", "0440", "new").write(&volume, 2).unwrap();
        assert_eq!(read(&root, "a"), b"new");
    }
}

#[test]
fn an_env_file_that_does_not_fit_changes_nothing() {
    let Some(root) = tmpfs(&[("size", "16k")]) else {
        return;
    };
    let volume = Volume::from_fd(root.try_clone().unwrap());
    write_env_file(&volume, "db.env", &SecretBytes::from("A='old'\n")).unwrap();
    let big = SecretBytes::new(vec![b'x'; 64 * 1024]);
    let error = write_env_file(&volume, "db.env", &big).unwrap_err();
    assert!(matches!(error, DeliveryError::Full { .. }), "{error:?}");
    assert_eq!(read(&root, "db.env"), b"A='old'\n");
    assert_eq!(entries(&root), 1);
}
