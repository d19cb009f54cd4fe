//! What a pod may put into its volume, and what comes of it: nothing outside is ever touched.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use super::common::{Content, names, snapshot};
use esi_core::{Generation, SecretBytes};
use esi_delivery::{DeliveryError, Volume, write_env_file};
use proptest::prelude::*;
use tempfile::TempDir;

/// A volume beside things that are none of its business.
struct Surrounded {
    root: TempDir,
    volume: Volume,
}

impl Surrounded {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        for name in ["volume", "outside/deep"] {
            fs::create_dir_all(root.path().join(name)).unwrap();
        }
        for name in ["precious", "outside/precious", "outside/deep/precious"] {
            fs::write(root.path().join(name), "precious").unwrap();
        }
        let volume = Volume::open(&root.path().join("volume")).unwrap();
        Self { root, volume }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.path().join("volume").join(name)
    }

    fn outside(&self) -> PathBuf {
        self.root.path().join("outside")
    }

    /// Everything but the volume.
    fn surroundings(&self) -> impl PartialEq + std::fmt::Debug + use<> {
        let mut tree = snapshot(self.root.path());
        tree.retain(|path, _| !path.starts_with(self.root.path().join("volume")));
        tree
    }

    fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap()
    }
}

fn one_file() -> Content {
    Content::new().file("db/password", "0440", "new")
}

fn fifo(path: &Path) {
    rustix::fs::mknodat(
        rustix::fs::CWD,
        path,
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RWXU,
        0,
    )
    .unwrap();
}

#[test]
fn whatever_lies_in_the_place_of_the_data_link_is_replaced_and_never_followed() {
    type Plant = fn(&Surrounded);
    let plants: [Plant; 7] = [
        |s| symlink(s.outside(), s.path("..data")).unwrap(),
        |s| symlink("../outside", s.path("..data")).unwrap(),
        |s| symlink("..data", s.path("..data")).unwrap(),
        |s| fs::write(s.path("..data"), "file").unwrap(),
        |s| fifo(&s.path("..data")),
        |s| fs::create_dir_all(s.path("..data/full/of/things")).unwrap(),
        |s| {
            // A link inside a directory: removing the directory must not go through it.
            fs::create_dir(s.path("..data")).unwrap();
            symlink(s.outside(), s.path("..data/away")).unwrap();
        },
    ];
    for (index, plant) in plants.into_iter().enumerate() {
        let surrounded = Surrounded::new();
        plant(&surrounded);
        let before = surrounded.surroundings();
        assert_eq!(surrounded.volume.current().unwrap(), None, "plant {index}");
        one_file().write(&surrounded.volume, 1).unwrap();
        assert_eq!(surrounded.read("db/password"), b"new", "plant {index}");
        assert_eq!(surrounded.volume.current().unwrap(), Some(Generation::new(1)));
        assert_eq!(names(&surrounded.path("")).len(), 3, "plant {index}");
        assert_eq!(surrounded.surroundings(), before, "plant {index}");
    }
}

#[test]
fn a_generation_that_nobody_delivered_is_none() {
    let surrounded = Surrounded::new();
    let made_up = "..0.0123456789abcdef";
    fs::create_dir(surrounded.path(made_up)).unwrap();
    symlink(made_up, surrounded.path("..data")).unwrap();
    assert_eq!(surrounded.volume.current().unwrap(), None);
}

#[test]
fn whatever_lies_in_the_place_of_the_next_link_or_of_an_old_generation_is_removed_and_never_followed() {
    for name in ["..data_tmp", "..7.0123456789abcdef"] {
        type Plant = fn(&Surrounded, &Path);
        let plants: [Plant; 4] = [
            |s, path| symlink(s.outside(), path).unwrap(),
            |_, path| fifo(path),
            |s, path| {
                fs::create_dir_all(path.join("a/b")).unwrap();
                symlink(s.outside(), path.join("a/b/away")).unwrap();
                fifo(&path.join("a/pipe"));
            },
            |_, path| fs::write(path, "file").unwrap(),
        ];
        for plant in plants {
            let surrounded = Surrounded::new();
            plant(&surrounded, &surrounded.path(name));
            let before = surrounded.surroundings();
            one_file().write(&surrounded.volume, 8).unwrap();
            assert_eq!(surrounded.read("db/password"), b"new");
            assert_eq!(names(&surrounded.path("")).len(), 3);
            assert_eq!(surrounded.surroundings(), before);
        }
    }
}

#[test]
fn whatever_lies_in_the_place_of_a_visible_name_is_refused_by_name() {
    type Plant = fn(&Surrounded, &Path);
    let plants: [Plant; 6] = [
        |s, path| symlink(s.outside(), path).unwrap(),
        |_, path| symlink("..data/other", path).unwrap(),
        |_, path| symlink("../outside/precious", path).unwrap(),
        |_, path| fs::create_dir(path).unwrap(),
        |_, path| fs::write(path, "mine").unwrap(),
        |_, path| fifo(path),
    ];
    for plant in plants {
        let surrounded = Surrounded::new();
        plant(&surrounded, &surrounded.path("db"));
        let before = snapshot(surrounded.root.path());
        let error = one_file().write(&surrounded.volume, 1).unwrap_err();
        assert!(
            matches!(&error, DeliveryError::Occupied { name } if name == "db"),
            "{error}"
        );
        assert_eq!(
            snapshot(surrounded.root.path()),
            before,
            "nothing at all has changed"
        );
    }
}

#[test]
fn a_tree_deeper_than_a_generation_is_left_and_stops_nothing() {
    let surrounded = Surrounded::new();
    let deep = surrounded.path("..1.0123456789abcdef").join("d/".repeat(100));
    fs::create_dir_all(&deep).unwrap();
    one_file().write(&surrounded.volume, 2).unwrap();
    assert_eq!(surrounded.read("db/password"), b"new");
    assert!(deep.exists());
}

#[test]
fn an_env_file_takes_its_place_whole_and_follows_nothing() {
    let surrounded = Surrounded::new();
    let write = |text: &str| write_env_file(&surrounded.volume, "db.env", &SecretBytes::from(text));
    symlink("../precious", surrounded.path("db.env")).unwrap();
    symlink("../precious", surrounded.path("..db.env.0123456789abcdef")).unwrap();
    fs::write(
        surrounded.path("..other.env.0123456789abcdef"),
        "another binding's",
    )
    .unwrap();
    let before = surrounded.surroundings();
    write("A='1'\n").unwrap();
    write("A='2'\n").unwrap();
    assert_eq!(surrounded.read("db.env"), b"A='2'\n");
    let metadata = fs::symlink_metadata(surrounded.path("db.env")).unwrap();
    assert_eq!(std::os::unix::fs::MetadataExt::mode(&metadata), 0o100_400);
    assert_eq!(
        names(&surrounded.path("")),
        ["..other.env.0123456789abcdef", "db.env"],
        "its own leftover is gone, another's is not"
    );
    assert_eq!(surrounded.surroundings(), before);

    fs::remove_file(surrounded.path("db.env")).unwrap();
    fs::create_dir(surrounded.path("db.env")).unwrap();
    assert!(matches!(write("x").unwrap_err(), DeliveryError::Occupied { .. }));
    assert_eq!(names(&surrounded.path("")).len(), 2);
}

#[test]
fn the_name_of_an_env_file_cannot_leave_its_directory() {
    let surrounded = Surrounded::new();
    for name in [
        "",
        ".",
        "..",
        "../x.env",
        "/x.env",
        "a/x.env",
        "..x.env",
        "x\n.env",
        &"x".repeat(250),
    ] {
        let error = write_env_file(&surrounded.volume, name, &SecretBytes::from("x")).unwrap_err();
        assert!(
            matches!(error, DeliveryError::BadName { .. }),
            "{name:?}: {error}"
        );
        assert!(!error.to_string().contains('\n'));
    }
    assert!(names(&surrounded.path("")).is_empty());
}

/// One thing that a pod does to its volume.
fn plant(surrounded: &Surrounded, name: &str, kind: u8) {
    let path = surrounded.path(name);
    // Where something is there already, the pod merely fails.
    let _planted = match kind {
        0 => symlink(surrounded.outside(), path).is_ok(),
        1 => symlink("../outside/deep", path).is_ok(),
        2 => symlink("..data/a", path).is_ok(),
        3 => fs::create_dir_all(path.join("x/y")).is_ok(),
        4 => fs::write(path, "z").is_ok(),
        _ => fs::remove_file(&path).is_ok() || fs::remove_dir_all(&path).is_ok(),
    };
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(100) })]

    #[test]
    fn no_history_of_a_volume_reaches_what_is_around_it(
        steps in proptest::collection::vec(
            (prop_oneof![
                Just("a"), Just("db"), Just("..data"), Just("..data_tmp"), Just("..9.0123456789abcdef"),
                Just("..data/a"), Just("..data/db"), Just("..data/db/password"),
            ], 0_u8..6, any::<bool>()),
            1..12,
        )
    ) {
        let surrounded = Surrounded::new();
        let mut generation = 0;
        for (name, kind, write) in steps {
            plant(&surrounded, name, kind);
            if write {
                generation += 1;
                // What the pod did through a link of its own is in here.
                let before = surrounded.surroundings();
                match one_file().file("a", "0400", "new").write(&surrounded.volume, generation) {
                    Ok(()) => {
                        prop_assert_eq!(surrounded.read("db/password"), b"new");
                        prop_assert_eq!(surrounded.volume.current().unwrap(), Some(Generation::new(generation)));
                    }
                    Err(error) => prop_assert!(matches!(error, DeliveryError::Occupied { .. }), "{}", error),
                }
                prop_assert_eq!(surrounded.surroundings(), before);
            }
        }
    }
}
