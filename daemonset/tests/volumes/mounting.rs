//! The file system of a volume: its bounds, and the two ways in which it comes to be.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::sync::Arc;

use esi_node::mount::{KernelError, Pods};
use esi_node::request::Delivery;
use esi_node::volume::Driver as _;
use rustix::mount::{MountPropagationFlags, mount_change};

use super::fake::Way;
use super::namespace::alone;
use super::world::{World, publish, unpublish};

#[test]
fn a_volume_has_the_bounds_and_flags_that_keep_it_harmless() {
    alone(async {
        let world = World::new();
        world.add_pod(1);
        world.published(1, Delivery::Node).await;
        let path = world.volume(1);
        let line = fs::read_to_string("/proc/self/mountinfo").unwrap();
        let line = line
            .lines()
            .find(|line| line.contains(path.to_str().unwrap()))
            .unwrap();
        for option in [
            "nosuid",
            "nodev",
            "noexec",
            "size=10240k",
            "nr_inodes=",
            "shared:",
            "tmpfs esi:0000000000000001",
        ] {
            assert!(line.contains(option), "{option}: {line}");
        }
        let stat = rustix::fs::statvfs(&path).unwrap();
        assert_eq!(stat.f_blocks * stat.f_frsize, 10 * 1024 * 1024);
    });
}

#[test]
fn where_the_newer_calls_are_missing_mount_does_the_same() {
    alone(async {
        let mut world = World::new();
        world.staged = true;
        world.way = Way::Waits;
        world.add_pod(1);
        let volumes = Arc::new(world.start());
        let call = tokio::spawn({
            let volumes = Arc::clone(&volumes);
            async move { volumes.publish(publish(1, Delivery::Node)).await }
        });
        world.begun.notified().await;
        assert_eq!(world.mounts(1), 0, "it is not seen before it is filled");
        assert_eq!(World::all_mounts(), 1);
        world.permits.add_permits(1);
        call.await.unwrap().unwrap();
        assert_eq!((world.mounts(1), World::all_mounts()), (1, 1));
        assert_eq!(world.password(1), "generation 1");
        assert_eq!(fs::read_dir(world.path().join("staging")).unwrap().count(), 0);
        let flags = rustix::fs::statvfs(world.volume(1)).unwrap().f_flag;
        let expected = rustix::fs::StatVfsMountFlags::NOSUID
            | rustix::fs::StatVfsMountFlags::NODEV
            | rustix::fs::StatVfsMountFlags::NOEXEC;
        assert!(flags.contains(expected), "{flags:?}");
        volumes.unpublish(unpublish(1)).await.unwrap();
        assert_eq!(World::all_mounts(), 0);
        assert!(!world.volume(1).exists());
    });
}

#[test]
fn a_mount_that_kubelet_would_not_see_is_refused_at_the_start() {
    alone(async {
        let world = World::new();
        let pods = Pods::open(&world.root()).unwrap();
        pods.require_shared().unwrap();
        mount_change(world.root().path(), MountPropagationFlags::PRIVATE).unwrap();
        let error = pods.require_shared().unwrap_err();
        assert!(matches!(error, KernelError::NotShared), "{error}");
        assert!(
            error.to_string().contains("mountPropagation: Bidirectional"),
            "{error}"
        );
    });
}

#[test]
fn an_owner_gets_the_root_of_the_volume() {
    alone(async {
        let world = World::new();
        let volumes = world.start();
        let cases = [
            (Some(1000), None),
            (Some(1000), Some(2000)),
            (None, Some(2000)),
            (None, None),
        ];
        for (number, (user, group)) in (0_u32..).zip(cases) {
            world.add_pod(number);
            let mut request = publish(number, Delivery::Init);
            request.owner.user = user;
            request.owner.group = group;
            volumes.publish(request).await.unwrap();
            let root = fs::metadata(world.volume(number)).unwrap();
            assert_eq!((root.uid(), root.gid()), (user.unwrap_or(0), group.unwrap_or(0)));
        }
    });
}
