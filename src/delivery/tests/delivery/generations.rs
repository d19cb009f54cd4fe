//! What readers of a volume see.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, symlink};
use std::sync::atomic::{AtomicBool, Ordering};

use super::common::{Content, names, read_whole, snapshot, volume};
use esi_core::Generation;
use esi_delivery::{DeliveryError, Volume};

#[test]
fn files_are_readable_under_their_own_names() {
    let (directory, volume) = volume();
    Content::new()
        .file("db.json", "0440", "{}")
        .file("tls/key.pem", "0400", "KEY")
        .write(&volume, 1)
        .unwrap();
    assert_eq!(fs::read(directory.path().join("db.json")).unwrap(), b"{}");
    assert_eq!(fs::read(directory.path().join("tls/key.pem")).unwrap(), b"KEY");
    assert_eq!(volume.current().unwrap(), Some(Generation::new(1)));
}

#[test]
fn a_volume_that_could_not_be_written_is_known_before_there_is_anything_to_write() {
    let (directory, volume) = volume();
    let paths = ["conf/db.json".parse().unwrap(), "password".parse().unwrap()];
    volume.check(&paths).unwrap();
    assert!(names(directory.path()).is_empty(), "nothing is left behind");

    fs::write(directory.path().join("conf"), "the pod's own").unwrap();
    let error = volume.check(&paths).unwrap_err();
    assert!(
        matches!(error, DeliveryError::Occupied { ref name } if name == "conf"),
        "{error}"
    );
    volume.check(&paths[1..]).unwrap();

    fs::remove_file(directory.path().join("conf")).unwrap();
    fs::remove_dir(directory.path()).unwrap();
    assert!(volume.check(&paths).is_err(), "it is gone");
}

#[test]
fn an_empty_volume_has_no_generation() {
    let (_directory, volume) = volume();
    assert_eq!(volume.current().unwrap(), None);
}

#[test]
fn a_newer_generation_takes_the_place_of_the_older_and_leaves_nothing_of_it() {
    let (directory, volume) = volume();
    Content::new()
        .file("kept", "0440", "old")
        .file("gone/deep/file", "0440", "old")
        .write(&volume, 1)
        .unwrap();
    Content::new()
        .file("kept", "0440", "new")
        .file("added", "0440", "new")
        .write(&volume, 2)
        .unwrap();
    assert_eq!(volume.current().unwrap(), Some(Generation::new(2)));
    assert_eq!(fs::read(directory.path().join("kept")).unwrap(), b"new");
    assert_eq!(fs::read(directory.path().join("added")).unwrap(), b"new");
    let found = names(directory.path());
    assert_eq!(
        found.iter().filter(|name| name.starts_with("..2.")).count(),
        1,
        "{found:?}"
    );
    assert_eq!(found.len(), 4, "{found:?}");
}

#[test]
fn the_same_generation_twice_is_as_good_as_once() {
    let (directory, volume) = volume();
    for _ in 0..2 {
        Content::new()
            .file("a", "0440", "same")
            .write(&volume, 3)
            .unwrap();
    }
    assert_eq!(volume.current().unwrap(), Some(Generation::new(3)));
    assert_eq!(fs::read(directory.path().join("a")).unwrap(), b"same");
    assert_eq!(names(directory.path()).len(), 3);
}

#[test]
fn a_generation_without_files_removes_those_of_before() {
    let (directory, volume) = volume();
    Content::new().file("a", "0440", "x").write(&volume, 1).unwrap();
    Content::new().write(&volume, 2).unwrap();
    assert!(!directory.path().join("a").exists());
    assert_eq!(volume.current().unwrap(), Some(Generation::new(2)));
}

#[test]
fn modes_are_the_plans_whatever_the_umask() {
    let (directory, volume) = volume();
    let before = rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
    let written = Content::new()
        .file("group", "0440", "x")
        .file("owner", "0600", "x")
        .file("all/run", "0755", "x")
        .write(&volume, 1);
    rustix::process::umask(before);
    written.unwrap();
    let mode = |name: &str| fs::metadata(directory.path().join(name)).unwrap().mode() & 0o7777;
    assert_eq!(mode("group"), 0o440);
    assert_eq!(mode("owner"), 0o600);
    assert_eq!(mode("all/run"), 0o755);
    assert_eq!(mode("..data"), 0o755, "others must get to the file they may read");
    assert_eq!(mode("all"), 0o755);

    Content::new()
        .file("dir/group", "0440", "x")
        .write(&volume, 2)
        .unwrap();
    assert_eq!(mode("..data"), 0o750);
    assert_eq!(mode("dir"), 0o750);
}

#[test]
fn a_set_group_id_volume_passes_its_group_on() {
    let (directory, volume) = volume();
    fs::set_permissions(
        directory.path(),
        std::os::unix::fs::PermissionsExt::from_mode(0o2770),
    )
    .unwrap();
    // Only root may choose a group it is not in; elsewhere the group is the process's own, and passes on too.
    let chosen = std::os::unix::fs::chown(directory.path(), None, Some(4711)).is_ok();
    let group = fs::metadata(directory.path()).unwrap().gid();
    assert!(!chosen || group == 4711);
    fs::set_permissions(
        directory.path(),
        std::os::unix::fs::PermissionsExt::from_mode(0o2770),
    )
    .unwrap();
    Content::new().file("d/f", "0440", "x").write(&volume, 1).unwrap();
    for name in ["..data", "d", "d/f"] {
        assert_eq!(
            fs::metadata(directory.path().join(name)).unwrap().gid(),
            group,
            "{name}"
        );
    }
    assert_eq!(
        fs::metadata(directory.path().join("d")).unwrap().mode() & 0o7777,
        0o2750
    );
}

#[test]
fn what_a_crash_left_is_removed_at_the_next_write() {
    let (directory, volume) = volume();
    Content::new().file("a", "0440", "1").write(&volume, 1).unwrap();
    let left = directory.path().join("..2.0123456789abcdef");
    fs::create_dir_all(left.join("deep/er")).unwrap();
    fs::write(left.join("deep/er/secret"), "half").unwrap();
    symlink("..2.0123456789abcdef", directory.path().join("..data_tmp")).unwrap();
    symlink("..data/b", directory.path().join("b")).unwrap();

    Content::new().file("a", "0440", "2").write(&volume, 2).unwrap();
    assert_eq!(names(directory.path()).len(), 3);
    assert_eq!(fs::read(directory.path().join("a")).unwrap(), b"2");
}

#[test]
fn a_file_of_the_user_is_named_and_neither_replaced_nor_removed() {
    let (directory, volume) = volume();
    Content::new().file("a", "0440", "1").write(&volume, 1).unwrap();
    fs::write(directory.path().join("mine"), "precious").unwrap();
    let before = snapshot(directory.path());
    let error = Content::new()
        .file("a", "0440", "2")
        .file("mine", "0440", "2")
        .write(&volume, 2)
        .unwrap_err();
    assert!(
        matches!(&error, DeliveryError::Occupied { name } if name == "mine"),
        "{error}"
    );
    assert!(error.to_string().contains("`mine`"));
    assert_eq!(snapshot(directory.path()), before);

    // A file beside ours is nobody's business.
    Content::new().file("a", "0440", "3").write(&volume, 3).unwrap();
    assert_eq!(fs::read(directory.path().join("mine")).unwrap(), b"precious");
}

#[test]
fn files_on_each_others_way_are_refused_before_anything_is_written() {
    let (directory, volume) = volume();
    for (one, other) in [("a", "a"), ("a", "a/b"), ("a/b", "a")] {
        let error = Content::new()
            .file(one, "0440", "x")
            .file(other, "0440", "x")
            .write(&volume, 1)
            .unwrap_err();
        assert!(matches!(error, DeliveryError::Collision { .. }), "{error}");
    }
    assert!(names(directory.path()).is_empty());
}

#[test]
fn a_volume_that_is_absent_a_file_or_a_link_is_not_opened() {
    let (directory, _volume) = volume();
    fs::write(directory.path().join("a-file"), "").unwrap();
    fs::create_dir(directory.path().join("real")).unwrap();
    symlink("real", directory.path().join("a-link")).unwrap();
    for name in ["an-absent", "a-file", "a-link"] {
        let error = Volume::open(&directory.path().join(name)).unwrap_err();
        assert!(matches!(error, DeliveryError::Open(_)), "{name}: {error}");
        assert!(
            !error.to_string().contains(name),
            "a path is in the public message: {error}"
        );
    }
}

#[test]
fn a_reader_sees_one_whole_generation_through_a_thousand_rotations() {
    const ROTATIONS: u64 = 1000;
    let (directory, volume) = volume();
    let write = |generation: u64| {
        let text = generation.to_string().repeat(1000);
        Content::new()
            .file("user", "0440", &text)
            .file("deep/password", "0440", &text)
            .write(&volume, generation)
            .unwrap();
    };
    write(0);
    let done = AtomicBool::new(false);
    let seen = std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let mut seen = std::collections::BTreeSet::new();
            while !done.load(Ordering::Relaxed) {
                seen.extend(read_whole(directory.path(), ["user", "deep/password"]));
            }
            seen
        });
        for generation in 1..=ROTATIONS {
            write(generation);
        }
        done.store(true, Ordering::Relaxed);
        reader.join().unwrap()
    });
    assert!(
        seen.len() > 10,
        "the reader saw only {} generations: this proves little",
        seen.len()
    );
}
