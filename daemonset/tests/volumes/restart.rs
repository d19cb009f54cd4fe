//! Restarts: of the daemon, of kubelet and of the node, with and without what was recorded.

use std::fs;

use esi_core::Generation;
use esi_node::request::Delivery;
use esi_node::state::Phase;
use esi_node::volume::{Driver as _, Volumes};
use rustix::mount::{UnmountFlags, unmount};

use super::namespace::alone;
use super::world::{World, id, phase, publish, stop, unpublish};

const READY: Phase = Phase::Ready;

async fn published(world: &World, numbers: std::ops::Range<u32>) -> Volumes {
    let volumes = world.start();
    for number in numbers {
        world.add_pod(number);
        let delivery = if number % 2 == 0 {
            Delivery::Init
        } else {
            Delivery::Node
        };
        volumes.publish(publish(number, delivery)).await.unwrap();
    }
    volumes
}

/// Everything in memory is gone; kubelet's directories are on disk.
fn reboot(world: &mut World, numbers: std::ops::Range<u32>) {
    for number in numbers {
        unmount(world.volume(number), UnmountFlags::DETACH).unwrap();
    }
    world.boot = "second";
}

#[test]
fn a_restart_of_the_daemon_changes_nothing_that_a_pod_sees() {
    alone(async {
        let world = World::new();
        stop(published(&world, 1..3).await).await;
        fs::write(world.volume(2).join("by-init"), "x").unwrap();
        let issued = world.journal.count("issue");
        let volumes = world.start();
        assert_eq!(phase(&volumes, 1), Some((READY, Some(Generation::new(1)))));
        assert_eq!(phase(&volumes, 2), Some((READY, None)));
        // kubelet restarted too: it asks for everything again.
        volumes.publish(publish(1, Delivery::Node)).await.unwrap();
        volumes.publish(publish(2, Delivery::Init)).await.unwrap();
        assert_eq!((world.mounts(1), world.mounts(2), World::all_mounts()), (1, 1, 2));
        assert_eq!(world.password(1), "generation 1");
        assert!(world.volume(2).join("by-init").exists());
        assert_eq!(world.journal.count("issue"), issued);
    });
}

#[test]
fn after_a_reboot_a_volume_shows_nothing_until_it_is_published_again() {
    alone(async {
        let mut world = World::new();
        stop(published(&world, 1..3).await).await;
        reboot(&mut world, 1..3);
        let volumes = world.start();
        for number in [1, 2] {
            assert_eq!(
                phase(&volumes, number).unwrap().0,
                Phase::Publishing,
                "nothing is reported of it"
            );
        }
        volumes.publish(publish(1, Delivery::Node)).await.unwrap();
        volumes.publish(publish(2, Delivery::Init)).await.unwrap();
        assert_eq!((world.mounts(1), world.mounts(2)), (1, 1));
        assert_eq!(world.password(1), "generation 2");
        let boot = volumes
            .records()
            .into_iter()
            .map(|record| record.boot.to_string());
        assert!(boot.into_iter().all(|boot| boot == "second"));
    });
}

#[test]
fn after_a_reboot_a_volume_whose_pod_is_gone_is_released() {
    alone(async {
        let mut world = World::new();
        stop(published(&world, 1..2).await).await;
        reboot(&mut world, 1..2);
        fs::remove_dir(world.volume(1)).unwrap();
        world.remove_pod(1);
        let volumes = world.start();
        assert_eq!(
            phase(&volumes, 1),
            Some((Phase::Releasing, Some(Generation::new(1))))
        );
        assert_eq!(world.journal.count(&format!("gone {}", id(1))), 1);
    });
}

#[test]
fn a_volume_that_kubelet_never_unpublished_is_found_while_the_daemon_runs() {
    alone(async {
        let world = World::new();
        let volumes = published(&world, 1..3).await;
        unmount(world.volume(1), UnmountFlags::DETACH).unwrap();
        fs::remove_dir(world.volume(1)).unwrap();
        world.remove_pod(1);
        volumes.reconcile();
        assert_eq!(phase(&volumes, 1).unwrap().0, Phase::Releasing);
        assert_eq!(phase(&volumes, 2).unwrap().0, READY);
    });
}

#[test]
fn a_daemon_that_lost_its_records_releases_nothing_and_takes_over_what_it_finds() {
    alone(async {
        let world = World::new();
        stop(published(&world, 1..3).await).await;
        fs::write(world.volume(2).join("by-init"), "x").unwrap();
        fs::remove_dir_all(world.state()).unwrap();
        let volumes = world.start();
        assert!(volumes.records().is_empty());
        assert_eq!(World::all_mounts(), 2, "kubelet knows them");
        volumes.publish(publish(1, Delivery::Node)).await.unwrap();
        volumes.publish(publish(2, Delivery::Init)).await.unwrap();
        assert_eq!((world.mounts(1), world.mounts(2)), (1, 1));
        assert_eq!(
            phase(&volumes, 1),
            Some((READY, Some(Generation::new(1)))),
            "what it shows"
        );
        assert!(world.volume(2).join("by-init").exists());
        assert_eq!(world.journal.count("issue"), 1);
        assert_eq!(world.journal.count("gone"), 0);
    });
}

#[test]
fn a_volume_without_record_that_kubelet_has_forgotten_is_unmounted() {
    alone(async {
        let world = World::new();
        stop(published(&world, 1..3).await).await;
        fs::remove_dir_all(world.state()).unwrap();
        fs::remove_file(world.parent(1).join("vol_data.json")).unwrap();
        let volumes = world.start();
        assert_eq!((world.mounts(1), world.mounts(2)), (0, 1));
        assert!(!world.volume(1).exists());
        volumes.unpublish(unpublish(2)).await.unwrap();
        assert_eq!(World::all_mounts(), 0);
        assert!(
            volumes.records().is_empty(),
            "nothing is released that is not known"
        );
    });
}

#[test]
fn what_is_left_of_a_released_volume_goes_with_the_next_start() {
    alone(async {
        let world = World::new();
        let volumes = published(&world, 1..2).await;
        volumes.unpublish(unpublish(1)).await.unwrap();
        stop(volumes).await;
        // A crash in between, as kubelet has not come back for it.
        fs::create_dir(world.volume(1)).unwrap();
        rustix::mount::mount(
            "esi:x",
            world.volume(1),
            "tmpfs",
            rustix::mount::MountFlags::empty(),
            None,
        )
        .unwrap();
        fs::remove_file(world.parent(1).join("vol_data.json")).unwrap();
        let volumes = world.start();
        assert_eq!(World::all_mounts(), 0);
        assert_eq!(phase(&volumes, 1).unwrap().0, Phase::Releasing);
    });
}

#[test]
fn a_daemon_that_is_told_of_another_kubelet_root_releases_nothing() {
    alone(async {
        let world = World::new();
        stop(published(&world, 1..3).await).await;
        // The directories are not where they were; the volumes are mounted all the same.
        let pods = world.root().pods();
        fs::rename(&pods, pods.with_file_name("moved")).unwrap();
        fs::create_dir(&pods).unwrap();
        let volumes = world.start();
        assert!(volumes.records().iter().all(|record| record.phase == READY));
        assert_eq!(World::all_mounts(), 2);
    });
}

#[test]
fn a_broken_record_stops_nothing() {
    alone(async {
        let world = World::new();
        stop(published(&world, 1..4).await).await;
        fs::write(world.state().join(format!("{}.json", id(1))), "{").unwrap();
        let volumes = world.start();
        assert_eq!(phase(&volumes, 1), None);
        assert_eq!(phase(&volumes, 3).unwrap().0, READY);
        volumes.publish(publish(1, Delivery::Node)).await.unwrap();
        assert_eq!(phase(&volumes, 1), Some((READY, Some(Generation::new(1)))));
        assert_eq!(world.mounts(1), 1);
    });
}
