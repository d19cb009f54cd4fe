//! A pod that may write to its volume, while the daemon writes a newer generation there: nothing outside is touched,
//! and either the newer generation is there or an error says why not.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{chown, symlink};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use esi_core::Generation;
use esi_delivery::{DeliveryError, Volume, act_as};
use esi_node::request::{Delivery, Owner};
use esi_node::volume::{Driver as _, Volumes};

use super::fake::write_as;
use super::namespace::alone;
use super::surroundings::snapshot;
use super::world::{World, id, publish};

const USER: u32 = 1000;

/// A volume of delivery `init` with its first generation, beside things that are none of its business.
struct Scene {
    world: World,
    volumes: Volumes,
}

impl Scene {
    async fn set(user: Option<u32>) -> Self {
        let world = World::new();
        world.add_pod(1);
        for name in ["precious", "outside/deep/precious"] {
            let path = world.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, "precious").unwrap();
            // Even what the pod's user may write to is not touched through its volume.
            chown(&path, Some(USER), None).unwrap();
        }
        let volumes = world.start();
        let mut request = publish(1, Delivery::Init);
        request.owner = Owner { user, group: None };
        volumes.publish(request).await.unwrap();
        let scene = Self { world, volumes };
        scene.rotate(1).await.unwrap();
        scene
    }

    /// A generation of the daemon's, written as it does: from the volume's place, as the volume's owner.
    async fn rotate(&self, generation: u64) -> Result<(), DeliveryError> {
        let held = self.volumes.hold(&id(1)).unwrap();
        let volume = Volume::from_fd(held.root().await.unwrap());
        let owner = held.record().owner;
        let written = write_as(&volume, Generation::new(generation), owner);
        drop(volume);
        drop(held);
        written
    }

    fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.world.volume(1).join(name)
    }

    /// What the pod does, as its user does it.
    fn pod(&self, user: Option<u32>, does: impl Fn(&Self) + Sync) {
        act_as(user, user, || {
            does(self);
            Ok(())
        })
        .unwrap();
    }

    fn surroundings(&self) -> BTreeMap<PathBuf, (u32, u32, OsString)> {
        snapshot(self.world.path(), &[self.world.volume(1)])
    }
}

fn fifo(path: &Path) {
    let mode = rustix::fs::Mode::RWXU;
    rustix::fs::mknodat(rustix::fs::CWD, path, rustix::fs::FileType::Fifo, mode, 0).unwrap();
}

fn clear(path: &Path) {
    drop(fs::remove_file(path).or_else(|_directory| fs::remove_dir_all(path)));
}

type Plant = fn(&Scene, &Path);

/// Whatever can lie under a name.
const PLANTS: [(&str, Plant); 10] = [
    ("a link away", |scene, path| {
        symlink(scene.world.path().join("outside"), path).unwrap()
    }),
    ("a link up", |_, path| {
        symlink("../../../../../../outside", path).unwrap()
    }),
    ("a link to a file", |scene, path| {
        symlink(scene.world.path().join("precious"), path).unwrap()
    }),
    ("a link to itself", |_, path| {
        symlink(path.file_name().unwrap(), path).unwrap()
    }),
    ("a magic link", |_, path| symlink("/proc/self/cwd", path).unwrap()),
    ("a hard link", |scene, path| {
        let real = scene.path("..real");
        fs::write(&real, "one file").unwrap();
        fs::hard_link(&real, path).unwrap();
    }),
    ("a pipe", |_, path| fifo(path)),
    ("a socket", |_, path| drop(UnixListener::bind(path).unwrap())),
    ("a tree", |scene, path| {
        fs::create_dir_all(path.join("a/b")).unwrap();
        symlink(scene.world.path().join("outside"), path.join("a/away")).unwrap();
        fifo(&path.join("a/b/pipe"));
    }),
    ("a file", |_, path| fs::write(path, "file").unwrap()),
];

#[test]
fn nothing_that_lies_under_a_name_of_ours_is_followed_or_stops_a_rotation() {
    alone(async {
        for user in [Some(USER), None] {
            let scene = Scene::set(user).await;
            let mut generation = 1;
            for (what, plant) in PLANTS {
                for name in ["..data", "..data_tmp", "..9.0123456789abcdef"] {
                    let path = scene.path(name);
                    // A socket's path is short: the pod is in its volume, and says only the name.
                    if what == "a socket" && path.as_os_str().len() > 100 {
                        bind_in(&scene, name);
                    } else {
                        scene.pod(user, |scene| {
                            clear(&scene.path(name));
                            plant(scene, &scene.path(name));
                        });
                    }
                    let before = scene.surroundings();
                    generation += 1;
                    scene
                        .rotate(generation)
                        .await
                        .unwrap_or_else(|error| panic!("{what} as {name}: {error}"));
                    assert_eq!(
                        scene.world.password(1),
                        format!("generation {generation}"),
                        "{what} as {name}"
                    );
                    assert_eq!(scene.surroundings(), before, "{what} as {name}");
                    clear(&scene.path("..real"));
                }
            }
        }
    });
}

/// A socket whose path would be too long for `bind`.
fn bind_in(scene: &Scene, name: &str) {
    let short = tempfile::Builder::new().prefix("s").tempdir_in("/tmp").unwrap();
    let link = short.path().join("v");
    symlink(scene.world.volume(1), &link).unwrap();
    clear(&scene.path(name));
    drop(UnixListener::bind(link.join(name)).unwrap());
}

#[test]
fn what_lies_under_a_visible_name_is_reported_and_kept() {
    alone(async {
        for user in [Some(USER), None] {
            for (what, plant) in PLANTS {
                let scene = Scene::set(user).await;
                if what == "a socket" {
                    bind_in(&scene, "password");
                } else {
                    scene.pod(user, |scene| {
                        clear(&scene.path("password"));
                        plant(scene, &scene.path("password"));
                    });
                }
                let before = snapshot(scene.world.path(), &[]);
                let error = scene.rotate(2).await.unwrap_err();
                assert!(
                    matches!(&error, DeliveryError::Occupied { name } if name == "password"),
                    "{what}: {error}"
                );
                assert_eq!(snapshot(scene.world.path(), &[]), before, "{what}");
                clear(&scene.path("password"));
                scene.rotate(3).await.unwrap();
                assert_eq!(scene.world.password(1), "generation 3");
            }
        }
    });
}

#[test]
fn names_of_every_kind_are_left_alone() {
    alone(async {
        let scene = Scene::set(Some(USER)).await;
        let long = "x".repeat(255);
        let names: [&[u8]; 11] = [
            b" ",
            b"\n",
            b"-rf",
            b"...",
            b"a\\b",
            b"\xff\xfe",
            b"..2",
            b"..data_",
            b"..2.0123456789ABCDEF",
            "\u{202e}txt".as_bytes(),
            long.as_bytes(),
        ];
        scene.pod(Some(USER), |scene| {
            for name in names {
                fs::write(scene.path(OsStr::from_bytes(name)), "the pod's").unwrap();
            }
        });
        let before = scene.surroundings();
        for generation in 2..5 {
            scene.rotate(generation).await.unwrap();
        }
        assert_eq!(scene.world.password(1), "generation 4");
        assert_eq!(scene.surroundings(), before);
        for name in names {
            assert_eq!(
                fs::read(scene.path(OsStr::from_bytes(name))).unwrap(),
                b"the pod's"
            );
        }
    });
}

#[test]
fn a_full_volume_keeps_what_it_shows_and_is_written_once_there_is_room() {
    alone(async {
        let scene = Scene::set(Some(USER)).await;
        let before = scene.surroundings();
        scene.pod(Some(USER), |scene| {
            drop(fs::write(scene.path("ballast"), vec![0; 64 * 1024 * 1024]))
        });
        let error = scene.rotate(2).await.unwrap_err();
        assert!(matches!(error, DeliveryError::Full { .. }), "{error}");
        assert_eq!(scene.world.password(1), "generation 1");
        scene.pod(Some(USER), |scene| {
            fs::remove_file(scene.path("ballast")).unwrap()
        });
        scene.rotate(3).await.unwrap();
        assert_eq!(scene.world.password(1), "generation 3");
        assert_eq!(scene.surroundings(), before);
    });
}

#[test]
fn a_hundred_thousand_entries_do_not_fit() {
    alone(async {
        let scene = Scene::set(Some(USER)).await;
        let mut made = 0;
        for number in 0..100_000 {
            if symlink("x", scene.path(number.to_string())).is_err() {
                break;
            }
            made += 1;
        }
        assert!((500..2_000).contains(&made), "{made}");
        let error = scene.rotate(2).await.unwrap_err();
        assert!(matches!(error, DeliveryError::Full { .. }), "{error}");
        assert_eq!(scene.world.password(1), "generation 1");
        for number in 0..made {
            fs::remove_file(scene.path(number.to_string())).unwrap();
        }
        scene.rotate(3).await.unwrap();
    });
}

#[test]
fn a_tree_that_is_deeper_than_any_generation_is_left_and_stops_nothing() {
    alone(async {
        let scene = Scene::set(Some(USER)).await;
        let deep = scene.path("..1.0123456789abcdef").join("d/".repeat(300));
        scene.pod(Some(USER), |_| fs::create_dir_all(&deep).unwrap());
        for generation in 2..4 {
            scene.rotate(generation).await.unwrap();
        }
        assert!(deep.exists());
        assert_eq!(scene.world.password(1), "generation 3");
    });
}

#[test]
fn a_pod_that_shuts_itself_out_is_reported_and_the_volume_ends_all_the_same() {
    alone(async {
        use std::os::unix::fs::PermissionsExt as _;
        let scene = Scene::set(Some(USER)).await;
        scene.pod(Some(USER), |scene| {
            fs::set_permissions(scene.path(""), fs::Permissions::from_mode(0o0)).unwrap();
        });
        let error = scene.rotate(2).await.unwrap_err();
        assert!(matches!(error, DeliveryError::Denied { .. }), "{error}");
        scene.volumes.unpublish(super::world::unpublish(1)).await.unwrap();
        assert_eq!(scene.world.mounts(1), 0);
    });
}

#[test]
fn directories_and_links_that_are_swapped_during_rotations_lead_nowhere() {
    alone(async {
        for user in [Some(USER), None] {
            let scene = Scene::set(user).await;
            let before = scene.surroundings();
            let swaps = AtomicUsize::new(0);
            let done = AtomicBool::new(false);
            let outcomes = std::thread::scope(|scope| {
                scope.spawn(|| {
                    scene.pod(user, |scene| {
                        while !done.load(Ordering::Relaxed) {
                            swaps.fetch_add(swap(scene), Ordering::Relaxed);
                        }
                    });
                });
                let mut outcomes = Vec::new();
                while outcomes.len() < 400 || swaps.load(Ordering::Relaxed) < 4_000 {
                    let generation = u64::try_from(outcomes.len() + 2).unwrap();
                    let rotated = tokio::task::block_in_place(|| {
                        tokio::runtime::Handle::current().block_on(scene.rotate(generation))
                    });
                    outcomes.push(rotated);
                }
                done.store(true, Ordering::Relaxed);
                outcomes
            });
            for outcome in outcomes {
                match outcome {
                    Ok(())
                    | Err(
                        DeliveryError::Disturbed { .. }
                        | DeliveryError::Denied { .. }
                        | DeliveryError::Occupied { .. },
                    ) => {}
                    Err(other) => panic!("{other:?}"),
                }
            }
            assert_eq!(scene.surroundings(), before);
            // Once the pod is quiet, a rotation goes through.
            clear(&scene.path("password"));
            scene.rotate(1_000_000).await.unwrap();
            assert_eq!(scene.world.password(1), "generation 1000000");
        }
    });
}

/// Puts a link away in the place of each name of ours, and back, and says how often that worked.
fn swap(scene: &Scene) -> usize {
    let Ok(entries) = fs::read_dir(scene.path("")) else {
        return 0;
    };
    let aside = scene.path("..aside");
    let mut swapped = 0;
    for entry in entries.flatten() {
        let path = entry.path();
        // What fails, fails: the daemon was faster.
        if fs::rename(&path, &aside).is_ok() {
            let linked = symlink(scene.world.path().join("outside"), &path).is_ok();
            swapped += usize::from(linked);
            clear(&path);
            drop(fs::rename(&aside, &path));
            clear(&aside);
        }
    }
    swapped
}
