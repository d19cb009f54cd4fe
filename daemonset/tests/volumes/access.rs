//! Who can read a volume, asked of the kernel: a process of some user, at a mount like a container's.

use std::fs;
use std::path::Path;
use std::process::Command;

use esi_core::Generation;
use esi_delivery::Volume;
use esi_node::mount::{Detached, Kernel, Label, MountApi, Staging, Tmpfs};
use esi_node::request::{Delivery, Owner};
use esi_node::volume::Driver as _;
use rustix::mount::{MountFlags, mount, mount_bind};

use super::fake::write_as;
use super::namespace::alone;
use super::world::{World, publish};

/// Where a container would have the volume: a place that everybody can get to.
const CONTAINER: &str = "/mnt/container";

fn as_in_a_container(world: &World, number: u32) {
    mount("mnt", "/mnt", "tmpfs", MountFlags::empty(), Some(c"mode=755")).unwrap();
    fs::create_dir(CONTAINER).unwrap();
    mount_bind(world.volume(number), CONTAINER).unwrap();
}

/// Runs a command as this user, with these groups and no privileges.
fn runs(user: u32, group: u32, command: &[&str]) -> bool {
    Command::new("setpriv")
        .args([format!("--reuid={user}"), format!("--regid={group}")])
        .args(["--clear-groups", "--"])
        .args(command)
        .output()
        .unwrap()
        .status
        .success()
}

fn reads(user: u32, group: u32) -> bool {
    runs(user, group, &["cat", &format!("{CONTAINER}/password")])
}

async fn filled(world: &World, owner: Owner) {
    world.add_pod(1);
    let mut request = publish(1, Delivery::Init);
    request.owner = owner;
    world.start().publish(request).await.unwrap();
    let volume = Volume::open(&world.volume(1)).unwrap();
    write_as(&volume, Generation::FIRST, owner).unwrap();
    as_in_a_container(world, 1);
}

#[test]
fn with_a_user_only_that_user_reads() {
    alone(async {
        let owner = Owner {
            user: Some(1000),
            group: None,
        };
        let world = World::new();
        filled(&world, owner).await;
        assert!(reads(1000, 1000));
        assert!(!reads(1001, 1000));
        assert!(!reads(1001, 2000));
    });
}

#[test]
fn with_a_group_whoever_is_in_it_reads() {
    alone(async {
        let owner = Owner {
            user: None,
            group: Some(2000),
        };
        let world = World::new();
        filled(&world, owner).await;
        assert!(reads(1000, 2000));
        assert!(reads(1001, 2000));
        assert!(!reads(1000, 1000));
    });
}

#[test]
fn with_both_the_user_writes_and_the_group_reads() {
    alone(async {
        let owner = Owner {
            user: Some(1000),
            group: Some(2000),
        };
        let world = World::new();
        filled(&world, owner).await;
        assert!(reads(1000, 1000) && reads(1001, 2000) && !reads(1001, 1000));
        let touch = format!("{CONTAINER}/new");
        assert!(runs(1000, 1000, &["touch", &touch]));
        assert!(!runs(1001, 2000, &["touch", &format!("{touch}er")]));
    });
}

#[test]
fn an_init_container_can_write_whatever_is_known_of_it() {
    alone(async {
        let cases = [(Some(1000), None), (None, Some(1000)), (None, None)];
        for (number, (user, group)) in (1_u32..).zip(cases) {
            let world = World::new();
            world.add_pod(number);
            let mut request = publish(number, Delivery::Init);
            request.owner = Owner { user, group };
            world.start().publish(request).await.unwrap();
            as_in_a_container(&world, number);
            assert!(
                runs(1000, 1000, &["mkdir", &format!("{CONTAINER}/x")]),
                "{user:?} {group:?}"
            );
            // Of what another made it removes nothing.
            if user.is_none() {
                fs::create_dir(Path::new(CONTAINER).join("y")).unwrap();
                assert!(!runs(1000, 1000, &["rmdir", &format!("{CONTAINER}/y")]));
            }
        }
    });
}

#[test]
fn a_volume_is_labelled_for_containers_where_selinux_is_on() {
    alone(async {
        let directory = tempfile::tempdir().unwrap();
        let staging = Staging::open(&directory.path().join("staging")).unwrap();
        for api in [MountApi::Detached, MountApi::Staged(staging)] {
            let kernel = Kernel::with(api, Label::ON).unwrap();
            let tmpfs = Tmpfs {
                source: "esi:x".to_owned(),
                mode: 0o700,
                user: 0,
                group: 0,
            };
            let volume = Detached::make(&kernel, &tmpfs).unwrap();
            let directory = rustix::fs::openat(
                volume.root(),
                ".",
                rustix::fs::OFlags::RDONLY,
                rustix::fs::Mode::empty(),
            )
            .unwrap();
            let mut label = vec![0; 256];
            let length = rustix::fs::fgetxattr(directory, "security.selinux", &mut label[..]).unwrap();
            let label = String::from_utf8_lossy(&label[..length]).into_owned();
            assert_eq!(
                label.trim_end_matches('\0'),
                "system_u:object_r:container_file_t:s0"
            );
        }
    });
}
