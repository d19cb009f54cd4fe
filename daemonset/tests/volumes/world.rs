//! A node: kubelet's directories, on a shared mount as on a real one, and daemons that come and go.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use esi_core::{Checkpoint, Generation, NoCheckpoint, Plan, SystemClock};
use esi_node::mount::{Kernel, Label, MountApi, Pods, Staging, Table};
use esi_node::request::{Delivery, KubeletRoot, Owner, Pod, Publish, Target, Unpublish, VolumeId};
use esi_node::state::{BootId, Phase, Record, Store};
use esi_node::volume::{Driver as _, Parts, Volumes};
use rustix::mount::{MountFlags, MountPropagationFlags, UnmountFlags, mount, mount_change, unmount};
use tempfile::TempDir;
use tokio::sync::{Notify, Semaphore};

use super::fake::{FakeFill, FakeKeep, Journal, Way};

pub(crate) struct World {
    path: PathBuf,
    owned: Option<TempDir>,
    pub(crate) journal: Journal,
    /// `mount(2)` instead of the newer calls.
    pub(crate) staged: bool,
    pub(crate) way: Way,
    pub(crate) boot: &'static str,
    pub(crate) begun: Arc<Notify>,
    pub(crate) permits: Arc<Semaphore>,
}

impl World {
    /// A new node.
    pub(crate) fn new() -> Self {
        let directory = TempDir::new().unwrap();
        // In memory: what waits for a disk here says nothing of what is tested.
        mount("disk", directory.path(), "tmpfs", MountFlags::empty(), None).unwrap();
        let root = directory.path().join("kubelet");
        fs::create_dir(&root).unwrap();
        mount("node", &root, "tmpfs", MountFlags::empty(), None).unwrap();
        mount_change(&root, MountPropagationFlags::SHARED).unwrap();
        fs::create_dir(root.join("pods")).unwrap();
        let mut world = Self::at(directory.path());
        world.owned = Some(directory);
        world
    }

    /// The node that another process has made.
    pub(crate) fn at(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            owned: None,
            journal: Journal::at(&path.join("journal")),
            staged: false,
            way: Way::Well,
            boot: "first",
            begun: Arc::default(),
            permits: Arc::new(Semaphore::new(0)),
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn root(&self) -> KubeletRoot {
        KubeletRoot::new(self.path.join("kubelet").to_str().unwrap()).unwrap()
    }

    pub(crate) fn state(&self) -> PathBuf {
        self.path.join("state")
    }

    pub(crate) fn start(&self) -> Volumes {
        self.start_with(Arc::new(NoCheckpoint))
    }

    pub(crate) fn start_with(&self, checkpoint: Arc<dyn Checkpoint>) -> Volumes {
        let kernel = if self.staged {
            let staging = Staging::open(&self.path.join("staging")).unwrap();
            Kernel::with(MountApi::Staged(staging), Label::OFF).unwrap()
        } else {
            Kernel::with(MountApi::Detached, Label::OFF).unwrap()
        };
        let pods = Arc::new(Pods::open(&self.root()).unwrap());
        pods.require_shared().unwrap();
        let fill = FakeFill {
            way: self.way,
            journal: self.journal.clone(),
            begun: Arc::clone(&self.begun),
            permits: Arc::clone(&self.permits),
        };
        Volumes::start(Parts {
            pods,
            kernel,
            store: Store::open(&self.state()).unwrap(),
            boot: BootId::new(self.boot),
            fill: Arc::new(fill),
            keep: Arc::new(FakeKeep(self.journal.clone())),
            clock: Arc::new(SystemClock),
            checkpoint,
        })
        .unwrap()
    }

    /// A daemon that publishes the volume, and ends.
    pub(crate) async fn published(&self, number: u32, delivery: Delivery) {
        let volumes = self.start();
        volumes.publish(publish(number, delivery)).await.unwrap();
        stop(volumes).await;
    }

    /// What kubelet does before it publishes.
    pub(crate) fn add_pod(&self, number: u32) {
        let parent = self.parent(number);
        fs::create_dir_all(&parent).unwrap();
        fs::write(parent.join("vol_data.json"), "{}").unwrap();
    }

    /// What kubelet does after it has unpublished.
    pub(crate) fn remove_pod(&self, number: u32) {
        let parent = self.parent(number);
        fs::remove_file(parent.join("vol_data.json")).unwrap();
        fs::remove_dir(parent).unwrap();
        fs::remove_dir_all(self.pod_directory(number)).unwrap();
    }

    pub(crate) fn pod_directory(&self, number: u32) -> PathBuf {
        self.root().pods().join(uid(number))
    }

    pub(crate) fn parent(&self, number: u32) -> PathBuf {
        self.root().pods().join(target(number).parent())
    }

    pub(crate) fn volume(&self, number: u32) -> PathBuf {
        target(number).path(&self.root())
    }

    /// The file of the volume, as a container reads it.
    pub(crate) fn password(&self, number: u32) -> String {
        fs::read_to_string(self.volume(number).join("password")).unwrap()
    }

    /// How often a volume is mounted, by the kernel's own account.
    pub(crate) fn mounts(&self, number: u32) -> usize {
        let path = self.volume(number);
        let table = Table::read().unwrap();
        table.0.iter().filter(|entry| entry.point == path).count()
    }

    /// All mounts of ours, wherever they are.
    pub(crate) fn all_mounts() -> usize {
        let table = Table::read().unwrap();
        table
            .0
            .iter()
            .filter(|entry| entry.source.starts_with("esi:"))
            .count()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if self.owned.is_some() {
            unmount(&self.path, UnmountFlags::DETACH).unwrap();
        }
    }
}

/// Nothing of it runs any more, so that another may start.
pub(crate) async fn stop(volumes: Volumes) {
    volumes.drain().await;
    drop(volumes);
}

fn uid(number: u32) -> String {
    format!("00000000-0000-0000-0000-{number:012}")
}

pub(crate) fn id(number: u32) -> VolumeId {
    // Told apart by its first digits, as kubelet's hashes are.
    format!("csi-{number:016x}{:048x}", 0).parse().unwrap()
}

pub(crate) fn target(number: u32) -> Target {
    Target::new(uid(number).parse().unwrap(), "esi-db".to_owned()).unwrap()
}

/// A publish as kubelet asks for it.
pub(crate) fn publish(number: u32, delivery: Delivery) -> Publish {
    let plan = r#"{"version":1,"binding":"db","server":"default","source":{"generator":{"kind":"PostgreSQL","namespace":"platform","name":"shop"}},"env":[{"name":"DB","key":"password"}],"files":[{"path":"password","key":"password"}]}"#;
    Publish {
        id: id(number),
        target: target(number),
        pod: Pod {
            namespace: "shop".parse().unwrap(),
            name: format!("web-{number}").parse().unwrap(),
            uid: uid(number).parse().unwrap(),
            service_account: "web".parse().unwrap(),
        },
        delivery,
        plan: Plan::parse(plan).unwrap(),
        owner: Owner::default(),
        tokens: BTreeMap::new(),
    }
}

pub(crate) fn unpublish(number: u32) -> Unpublish {
    Unpublish {
        id: id(number),
        target: target(number),
    }
}

pub(crate) fn record(volumes: &Volumes, number: u32) -> Option<Record> {
    let id = id(number);
    volumes.records().into_iter().find(|record| record.id == id)
}

pub(crate) fn phase(volumes: &Volumes, number: u32) -> Option<(Phase, Option<Generation>)> {
    record(volumes, number).map(|record| (record.phase, record.generation))
}
