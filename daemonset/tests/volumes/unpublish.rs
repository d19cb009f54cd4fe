//! Unpublish: gone, and never in the way of a pod's end.

use std::fs;
use std::os::unix::fs::symlink;

use esi_core::Generation;
use esi_node::request::Delivery;
use esi_node::state::Phase;
use esi_node::volume::Driver as _;
use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};

use super::namespace::alone;
use super::surroundings::snapshot;
use super::world::{World, id, phase, publish, stop, unpublish};

#[test]
fn a_volume_is_gone_after_one_call_and_after_two_and_its_release_is_durable() {
    alone(async {
        let world = World::new();
        world.add_pod(1);
        let volumes = world.start();
        volumes.publish(publish(1, Delivery::Node)).await.unwrap();
        for _ in 0..2 {
            volumes.unpublish(unpublish(1)).await.unwrap();
            assert_eq!(world.mounts(1), 0);
            assert!(!world.volume(1).exists());
        }
        stop(volumes).await;
        world.remove_pod(1);
        let volumes = world.start();
        assert_eq!(
            phase(&volumes, 1),
            Some((Phase::Releasing, Some(Generation::new(1))))
        );
        volumes.hold(&id(1)).unwrap().forget().await.unwrap();
        assert_eq!(phase(&volumes, 1), None);
        stop(volumes).await;
        assert_eq!(phase(&world.start(), 1), None);
    });
}

#[test]
fn what_is_not_there_is_gone() {
    alone(async {
        let world = World::new();
        let volumes = world.start();
        // A pod that is not there, a volume without a mount point, and one that was never published.
        volumes.unpublish(unpublish(1)).await.unwrap();
        world.add_pod(1);
        volumes.unpublish(unpublish(1)).await.unwrap();
        fs::create_dir(world.volume(1)).unwrap();
        volumes.unpublish(unpublish(1)).await.unwrap();
        assert!(!world.volume(1).exists());
        assert!(
            volumes.records().is_empty(),
            "nothing is released that was never issued"
        );

        volumes.publish(publish(1, Delivery::Node)).await.unwrap();
        unmount(world.volume(1), UnmountFlags::empty()).unwrap();
        volumes.unpublish(unpublish(1)).await.unwrap();

        volumes.publish(publish(1, Delivery::Node)).await.unwrap();
        unmount(world.volume(1), UnmountFlags::empty()).unwrap();
        fs::remove_dir(world.volume(1)).unwrap();
        volumes.unpublish(unpublish(1)).await.unwrap();
        assert_eq!(
            phase(&volumes, 1),
            Some((Phase::Releasing, Some(Generation::new(2))))
        );
    });
}

#[test]
fn a_volume_in_use_is_detached() {
    alone(async {
        let world = World::new();
        world.add_pod(1);
        let volumes = world.start();
        volumes.publish(publish(1, Delivery::Node)).await.unwrap();
        let open = fs::File::open(world.volume(1).join("password")).unwrap();
        assert!(
            unmount(world.volume(1), UnmountFlags::empty()).is_err(),
            "it is busy"
        );
        volumes.unpublish(unpublish(1)).await.unwrap();
        assert_eq!(world.mounts(1), 0);
        assert!(!world.volume(1).exists());
        drop(open);
    });
}

#[test]
fn mounts_that_somebody_stacked_are_all_taken_off() {
    alone(async {
        let world = World::new();
        world.add_pod(1);
        let volumes = world.start();
        volumes.publish(publish(1, Delivery::Node)).await.unwrap();
        for _ in 0..3 {
            mount("esi:x", world.volume(1), "tmpfs", MountFlags::empty(), None).unwrap();
        }
        assert_eq!(world.mounts(1), 4);
        volumes.unpublish(unpublish(1)).await.unwrap();
        assert_eq!(world.mounts(1), 0);
    });
}

#[test]
fn a_full_disk_is_not_in_the_way_and_the_release_is_not_lost() {
    alone(async {
        let world = World::new();
        world.add_pod(1);
        fs::create_dir(world.state()).unwrap();
        mount(
            "disk",
            world.state(),
            "tmpfs",
            MountFlags::empty(),
            Some(c"size=64k"),
        )
        .unwrap();
        let volumes = world.start();
        volumes.publish(publish(1, Delivery::Node)).await.unwrap();
        fs::write(world.state().join("ballast"), vec![0; 64 * 1024]).unwrap_err();
        volumes.unpublish(unpublish(1)).await.unwrap();
        assert_eq!(world.mounts(1), 0);
        assert_eq!(
            phase(&volumes, 1),
            Some((Phase::Releasing, Some(Generation::new(1))))
        );
        // Not durable; but what is on the disk names a volume whose directory is gone.
        stop(volumes).await;
        world.remove_pod(1);
        assert_eq!(
            phase(&world.start(), 1),
            Some((Phase::Releasing, Some(Generation::new(1))))
        );
    });
}

#[test]
fn the_env_file_of_the_binding_goes_and_no_other() {
    alone(async {
        let world = World::new();
        world.add_pod(1);
        let env = world
            .pod_directory(1)
            .join("volumes/kubernetes.io~empty-dir/esi-env");
        fs::create_dir_all(&env).unwrap();
        mount("tmpfs", &env, "tmpfs", MountFlags::empty(), None).unwrap();
        let volumes = world.start();
        volumes.publish(publish(1, Delivery::Node)).await.unwrap();
        for name in ["db.env", "other.env"] {
            fs::write(env.join(name), "A='1'\n").unwrap();
        }
        volumes.unpublish(unpublish(1)).await.unwrap();
        assert!(!env.join("db.env").exists());
        assert!(env.join("other.env").exists());
    });
}

#[test]
fn an_env_file_that_a_pod_swapped_is_not_followed() {
    alone(async {
        type Plant = fn(&World, &std::path::Path);
        let plants: [Plant; 3] = [
            |world, env| symlink(world.path().join("precious"), env.join("db.env")).unwrap(),
            |_, env| {
                fs::create_dir(env.join("db.env")).unwrap();
                fs::write(env.join("db.env/x"), "").unwrap();
            },
            |world, env| {
                fs::remove_dir(env).unwrap();
                symlink(world.path().join("outside"), env).unwrap();
            },
        ];
        for plant in plants {
            let world = World::new();
            world.add_pod(1);
            fs::write(world.path().join("precious"), "precious").unwrap();
            fs::create_dir(world.path().join("outside")).unwrap();
            fs::write(world.path().join("outside/db.env"), "precious").unwrap();
            let env = world
                .pod_directory(1)
                .join("volumes/kubernetes.io~empty-dir/esi-env");
            fs::create_dir_all(&env).unwrap();
            let volumes = world.start();
            volumes.publish(publish(1, Delivery::Node)).await.unwrap();
            plant(&world, &env);
            let without = [
                world.root().path().to_owned(),
                world.state(),
                world.path().join("journal"),
            ];
            let before = snapshot(world.path(), &without);
            volumes.unpublish(unpublish(1)).await.unwrap();
            assert_eq!(snapshot(world.path(), &without), before);
        }
    });
}

#[test]
fn a_volume_that_comes_back_is_made_anew() {
    alone(async {
        let world = World::new();
        world.add_pod(1);
        let volumes = world.start();
        for round in 1..=3_u64 {
            volumes.publish(publish(1, Delivery::Node)).await.unwrap();
            assert_eq!(world.password(1), format!("generation {round}"));
            volumes.unpublish(unpublish(1)).await.unwrap();
        }
        volumes.publish(publish(1, Delivery::Node)).await.unwrap();
        assert_eq!(phase(&volumes, 1), Some((Phase::Ready, Some(Generation::new(4)))));
        // Its release is off the queue: sending it now would end what is in use.
        volumes.hold(&id(1)).unwrap().forget().await.unwrap();
        assert_eq!(phase(&volumes, 1), Some((Phase::Ready, Some(Generation::new(4)))));
    });
}
