//! Publish: one mount with its content, however often and by how many it is asked for.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use esi_core::{Classify as _, Code, Generation};
use esi_node::request::Delivery;
use esi_node::state::Phase;
use esi_node::volume::{Driver as _, PublishError};
use rustix::mount::{MountFlags, mount};
use tokio::task::JoinSet;

use super::fake::Way;
use super::namespace::alone;
use super::surroundings::snapshot;
use super::world::{World, id, phase, publish, record, stop, target, unpublish};

#[test]
fn ten_calls_leave_one_mount_and_one_credential() {
    alone(async {
        let world = World::new();
        let volumes = world.start();
        for (number, delivery) in [(1, Delivery::Init), (2, Delivery::Node)] {
            world.add_pod(number);
            for _ in 0..10 {
                volumes.publish(publish(number, delivery)).await.unwrap();
            }
            assert_eq!(world.mounts(number), 1);
        }
        assert_eq!(world.journal.count("issue"), 1);
        assert_eq!(world.password(2), "generation 1");
        assert_eq!(phase(&volumes, 1), Some((Phase::Ready, None)));
        assert_eq!(phase(&volumes, 2), Some((Phase::Ready, Some(Generation::new(1)))));
        assert_eq!(
            world.journal.count(&format!("fresh {}", id(2))),
            10,
            "each brings a token"
        );
        volumes.drain().await;
        assert_eq!(world.journal.count("shown"), 1);
    });
}

#[test]
fn what_an_init_container_wrote_is_untouched_by_later_calls() {
    alone(async {
        let world = World::new();
        world.add_pod(1);
        let volumes = world.start();
        volumes.publish(publish(1, Delivery::Init)).await.unwrap();
        fs::write(world.volume(1).join("half"), "being written").unwrap();
        for _ in 0..3 {
            volumes.publish(publish(1, Delivery::Init)).await.unwrap();
        }
        assert_eq!(fs::read(world.volume(1).join("half")).unwrap(), b"being written");
        assert_eq!(world.journal.count("issue"), 0);
    });
}

#[test]
fn an_empty_directory_may_be_there_before() {
    alone(async {
        let world = World::new();
        world.add_pod(1);
        fs::create_dir(world.volume(1)).unwrap();
        world.published(1, Delivery::Node).await;
        assert_eq!((world.mounts(1), world.password(1).as_str()), (1, "generation 1"));
    });
}

#[test]
fn what_lies_in_the_place_is_neither_hidden_nor_removed() {
    alone(async {
        type Plant = fn(&World);
        let plants: [Plant; 4] = [
            |world| fs::write(world.volume(1), "a file").unwrap(),
            |world| symlink("/etc", world.volume(1)).unwrap(),
            |world| {
                fs::create_dir(world.volume(1)).unwrap();
                fs::write(world.volume(1).join("somebodys"), "x").unwrap();
            },
            |world| {
                fs::create_dir(world.volume(1)).unwrap();
                mount("proc", world.volume(1), "proc", MountFlags::empty(), None).unwrap();
            },
        ];
        for plant in plants {
            let world = World::new();
            world.add_pod(1);
            plant(&world);
            let volumes = world.start();
            let error = volumes.publish(publish(1, Delivery::Node)).await.unwrap_err();
            assert!(matches!(error, PublishError::Occupied), "{error}");
            assert_eq!(world.journal.count("issue"), 0);
            assert_eq!(record(&volumes, 1), None, "nothing was done");
        }
    });
}

#[test]
fn a_hundred_volumes_are_published_at_once_and_do_not_wait_for_each_other() {
    alone(async {
        let mut world = World::new();
        world.way = Way::Waits;
        let volumes = Arc::new(world.start());
        let mut calls = JoinSet::new();
        for number in 0..100 {
            world.add_pod(number);
            let volumes = Arc::clone(&volumes);
            calls.spawn(async move { volumes.publish(publish(number, Delivery::Node)).await });
        }
        // All are being filled before the first is done.
        while world.journal.count("issue") < 100 {
            world.begun.notified().await;
        }
        world.permits.add_permits(100);
        while let Some(done) = calls.join_next().await {
            done.unwrap().unwrap();
        }
        assert!((0..100).all(|number| world.mounts(number) == 1));
    });
}

#[test]
fn a_second_call_for_a_volume_is_told_that_it_is_busy() {
    alone(async {
        let mut world = World::new();
        world.way = Way::Waits;
        world.add_pod(1);
        let volumes = Arc::new(world.start());
        let first = tokio::spawn({
            let volumes = Arc::clone(&volumes);
            async move { volumes.publish(publish(1, Delivery::Node)).await }
        });
        world.begun.notified().await;
        let error = volumes.publish(publish(1, Delivery::Node)).await.unwrap_err();
        assert!(matches!(error, PublishError::Busy), "{error}");
        assert_eq!(error.code(), Code::Aborted);
        world.permits.add_permits(1);
        first.await.unwrap().unwrap();
        volumes.publish(publish(1, Delivery::Node)).await.unwrap();
        assert_eq!((world.mounts(1), world.journal.count("issue")), (1, 1));
    });
}

#[test]
fn a_call_that_kubelet_gave_up_is_brought_to_its_end() {
    alone(async {
        let mut world = World::new();
        world.way = Way::Waits;
        world.add_pod(1);
        let volumes = Arc::new(world.start());
        let given_up = tokio::spawn({
            let volumes = Arc::clone(&volumes);
            async move { volumes.publish(publish(1, Delivery::Node)).await }
        });
        world.begun.notified().await;
        given_up.abort();
        assert!(given_up.await.unwrap_err().is_cancelled());
        world.permits.add_permits(1);
        volumes.drain().await;
        assert_eq!(phase(&volumes, 1), Some((Phase::Ready, Some(Generation::new(1)))));
        assert_eq!(world.password(1), "generation 1");
    });
}

#[test]
fn a_volume_that_cannot_be_filled_is_not_there_and_what_was_issued_is_given_back() {
    alone(async {
        let mut world = World::new();
        world.way = Way::Refused;
        world.add_pod(1);
        let volumes = world.start();
        let error = volumes.publish(publish(1, Delivery::Node)).await.unwrap_err();
        assert_eq!(error.to_string(), "the server refuses");
        assert_eq!(
            error.code(),
            Code::Unavailable,
            "a final code would lose the volume"
        );
        assert!(!world.volume(1).exists());
        assert_eq!(World::all_mounts(), 0);
        assert_eq!(
            world.journal.lines(),
            [format!("issue {}", id(1)), format!("give back {}", id(1))]
        );
        assert_eq!(phase(&volumes, 1), Some((Phase::Publishing, None)));
        stop(volumes).await;
        world.way = Way::Well;
        world.published(1, Delivery::Node).await;
        assert_eq!(world.password(1), "generation 2");
    });
}

#[test]
fn a_volume_that_cannot_be_attached_gives_back_what_it_holds() {
    alone(async {
        let mut world = World::new();
        world.way = Way::Waits;
        world.add_pod(1);
        let volumes = Arc::new(world.start());
        let call = tokio::spawn({
            let volumes = Arc::clone(&volumes);
            async move { volumes.publish(publish(1, Delivery::Node)).await }
        });
        world.begun.notified().await;
        fs::remove_dir(world.volume(1)).unwrap();
        world.permits.add_permits(1);
        let error = call.await.unwrap().unwrap_err();
        assert!(matches!(error, PublishError::Mount(_)), "{error}");
        assert_eq!(world.journal.count("give back"), 1);
        assert_eq!(phase(&volumes, 1), Some((Phase::Publishing, None)));
        world.permits.add_permits(1);
        volumes.publish(publish(1, Delivery::Node)).await.unwrap();
        assert_eq!((world.mounts(1), world.password(1).as_str()), (1, "generation 2"));
    });
}

#[test]
fn an_unpublish_stops_a_publish_that_waits_for_the_server() {
    alone(async {
        let mut world = World::new();
        world.way = Way::Waits;
        world.add_pod(1);
        let volumes = Arc::new(world.start());
        let stopped = tokio::spawn({
            let volumes = Arc::clone(&volumes);
            async move { volumes.publish(publish(1, Delivery::Node)).await }
        });
        world.begun.notified().await;
        volumes.unpublish(unpublish(1)).await.unwrap();
        let error = stopped.await.unwrap().unwrap_err();
        assert!(matches!(error, PublishError::Stopped), "{error}");
        assert_eq!(World::all_mounts(), 0);
        assert!(!world.volume(1).exists());
        assert_eq!(phase(&volumes, 1), Some((Phase::Releasing, None)));
        assert_eq!(world.journal.count("give back"), 1);
    });
}

#[test]
fn a_link_on_the_way_is_refused_and_nothing_behind_it_is_touched() {
    alone(async {
        // Away from kubelet's directories, or to another place among them.
        for (away, depth) in [true, false]
            .into_iter()
            .flat_map(|away| (0..4).map(move |depth| (away, depth)))
        {
            let world = World::new();
            world.add_pod(1);
            let link: PathBuf = target(1).parent().iter().take(depth + 1).collect();
            let link = world.root().pods().join(link);
            let (elsewhere, leads_to) = if away {
                let path = world.path().join("elsewhere");
                (path.clone(), path)
            } else {
                let relative = Path::new(&"../".repeat(depth)).join("elsewhere");
                (world.root().pods().join("elsewhere"), relative)
            };
            // The same tree behind the link, so that following it would succeed.
            let copied = Command::new("cp").arg("-a").args([&link, &elsewhere]).status();
            assert!(copied.unwrap().success());
            fs::remove_dir_all(&link).unwrap();
            symlink(leads_to, &link).unwrap();
            assert!(
                world.parent(1).join("vol_data.json").exists(),
                "the link leads there"
            );
            let without = [world.state(), world.path().join("journal")];
            let before = snapshot(world.path(), &without);
            let volumes = world.start();
            for delivery in [Delivery::Init, Delivery::Node] {
                let error = volumes.publish(publish(1, delivery)).await.unwrap_err();
                assert!(matches!(error, PublishError::Target(_)), "{depth}: {error}");
                assert_eq!(error.code(), Code::FailedPrecondition, "nothing was done");
            }
            volumes.unpublish(unpublish(1)).await.unwrap_err();
            assert_eq!(snapshot(world.path(), &without), before);
            assert_eq!(World::all_mounts(), 0);
        }
    });
}

#[test]
fn a_volume_has_one_target_for_ever() {
    alone(async {
        let world = World::new();
        world.add_pod(1);
        world.add_pod(2);
        let volumes = world.start();
        volumes.publish(publish(1, Delivery::Node)).await.unwrap();
        let mut elsewhere = publish(1, Delivery::Node);
        elsewhere.target = target(2);
        let error = volumes.publish(elsewhere).await.unwrap_err();
        assert!(matches!(error, PublishError::OtherTarget), "{error}");
        assert_eq!((world.mounts(1), world.mounts(2)), (1, 0));
    });
}

#[test]
fn a_full_disk_refuses_a_volume_before_anything_is_done() {
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
        let ballast = world.state().join("ballast");
        fs::write(&ballast, vec![0; 64 * 1024]).unwrap();
        for delivery in [Delivery::Init, Delivery::Node] {
            let error = volumes.publish(publish(1, delivery)).await.unwrap_err();
            assert!(matches!(error, PublishError::State(_)), "{error}");
            assert_eq!(error.code(), Code::ResourceExhausted);
        }
        assert!(!world.volume(1).exists());
        assert_eq!(world.journal.lines(), [""; 0]);
        fs::remove_file(ballast).unwrap();
        volumes.publish(publish(1, Delivery::Node)).await.unwrap();
        assert_eq!(world.password(1), "generation 1");
    });
}
