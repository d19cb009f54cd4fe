//! The env file, in the directory that kubelet makes beside the volume: a real mount.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, chown, symlink};
use std::sync::Arc;

use esi_client::testing::Method;
use esi_core::Classify as _;
use esi_node::fill::{EnvDirectory, Fill as _};
use esi_node::request::{Owner, Publish};
use rustix::mount::{MountFlags, mount};
use serde_json::json;
use tokio::time::Instant;

use crate::namespace::alone;
use crate::world::{World, publish, with};

const DIRECTORY: &str = "volumes/kubernetes.io~empty-dir/esi-env";
const READY: &str = "plugins/kubernetes.io~empty-dir/esi-env";

fn with_variables() -> Publish {
    publish(&with(|plan| {
        plan["env"] = json!([{"name": "DB_PASS", "key": "password"}]);
    }))
}

/// What kubelet does, in its order.
fn mounts(world: &World) {
    fs::create_dir_all(world.in_pod(DIRECTORY)).unwrap();
    mount(
        "tmpfs",
        world.in_pod(DIRECTORY),
        "tmpfs",
        MountFlags::empty(),
        None,
    )
    .unwrap();
}

fn says_ready(world: &World) {
    fs::create_dir_all(world.in_pod(READY)).unwrap();
    fs::write(world.in_pod(READY).join("ready"), "").unwrap();
}

#[test]
fn the_directory_is_ready_once_it_is_mounted_and_kubelet_says_so() {
    alone(async {
        let volume = with_variables();
        let is_ready = |world: &World| {
            let directory = EnvDirectory::of(&world.pods, &volume.target);
            directory.open().unwrap().is_some()
        };
        let world = World::new().await;
        assert!(!is_ready(&world));
        mounts(&world);
        assert!(!is_ready(&world), "its owner may still change");
        says_ready(&world);
        assert!(is_ready(&world));

        // As a reboot leaves it.
        let world = World::new().await;
        fs::create_dir_all(world.in_pod(DIRECTORY)).unwrap();
        says_ready(&world);
        assert!(!is_ready(&world), "this is the node's disk");
    });
}

#[test]
fn nothing_is_issued_before_the_directory_is_ready() {
    alone(async {
        let world = World::new().await;
        let (fill, root) = (Arc::clone(&world.fill), world.root());
        let filling = tokio::spawn(async move { fill.fill(&with_variables(), root).await });
        mounts(&world);
        let ready_at = Instant::now();
        says_ready(&world);
        filling.await.unwrap().unwrap();
        assert!(world.fake.calls_of(Method::Issue)[0].at >= ready_at);

        let file = world.in_pod(DIRECTORY).join("db.env");
        let expected = format!("DB_PASS='{}'\n", world.fake.password(1));
        assert_eq!(fs::read_to_string(&file).unwrap(), expected);
        assert_eq!(fs::metadata(&file).unwrap().mode() & 0o777, 0o400);
    });
}

#[test]
fn a_link_on_the_way_is_not_followed() {
    alone(async {
        // Each leads to where everything is as kubelet would have made it.
        for link in [DIRECTORY, "plugins"] {
            let world = World::new().await;
            let outside = world.outside("precious");
            fs::create_dir(&outside).unwrap();
            mount("tmpfs", &outside, "tmpfs", MountFlags::empty(), None).unwrap();
            if link == DIRECTORY {
                says_ready(&world);
            } else {
                mounts(&world);
                let ready = outside.join("kubernetes.io~empty-dir/esi-env");
                fs::create_dir_all(&ready).unwrap();
                fs::write(ready.join("ready"), "").unwrap();
            }
            fs::create_dir_all(world.in_pod(link).parent().unwrap()).unwrap();
            symlink(&outside, world.in_pod(link)).unwrap();
            let error = world.fill(&with_variables()).await.unwrap_err();
            assert_eq!(error.kind(), "fill_env_directory", "{link}");
            assert!(world.fake.calls().is_empty());
            assert!(!outside.join("db.env").exists());
        }
    });
}

#[test]
fn the_files_are_their_readers_and_the_env_file_is_kubelets() {
    alone(async {
        let world = World::new().await;
        mounts(&world);
        says_ready(&world);
        let mut volume = with_variables();
        volume.owner = Owner {
            user: Some(1234),
            group: Some(5678),
        };
        // As the volume's file system is made.
        chown(world.outside("volume"), Some(1234), Some(5678)).unwrap();
        world.fill(&volume).await.unwrap();
        for name in ["password", "conf/db.json"] {
            let stat = fs::metadata(world.outside("volume").join(name)).unwrap();
            assert_eq!((stat.uid(), stat.gid()), (1234, 5678), "{name}");
        }
        let stat = fs::metadata(world.in_pod(DIRECTORY).join("db.env")).unwrap();
        assert_eq!((stat.uid(), stat.gid()), (0, 0));
    });
}
