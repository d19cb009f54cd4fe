//! A server in memory, kubelet's directory with one pod, and the root of a volume: any directory, for once.

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;

use esi_client::testing::Fake;
use esi_core::{Plan, SecretBytes};
use esi_node::fill::{Fill as _, FillError, Filled, NodeFill};
use esi_node::mount::Pods;
use esi_node::request::{Delivery, KubeletRoot, Owner, Pod, Publish, Target};
use esi_node::server::{Servers, open};
use serde_json::{Value, json};

const POD: &str = "00000000-0000-0000-0000-000000000001";

/// A server, kubelet's directory, and the root of a volume.
pub(crate) struct World {
    pub(crate) fake: Fake,
    directory: tempfile::TempDir,
    pub(crate) pods: Arc<Pods>,
    pub(crate) fill: Arc<NodeFill>,
}

impl World {
    pub(crate) async fn new() -> Self {
        let fake = Fake::start().await;
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        std::fs::create_dir_all(path("kubelet/pods").join(POD)).unwrap();
        std::fs::create_dir(path("volume")).unwrap();
        let root = KubeletRoot::new(path("kubelet").to_str().unwrap()).unwrap();
        let pods = Arc::new(Pods::open(&root).unwrap());
        let fill = NodeFill::new(servers(&fake, &directory), Arc::clone(&pods));
        Self {
            fake,
            directory,
            pods,
            fill: Arc::new(fill),
        }
    }

    pub(crate) fn root(&self) -> OwnedFd {
        std::fs::File::open(self.directory.path().join("volume"))
            .unwrap()
            .into()
    }

    pub(crate) async fn fill(&self, volume: &Publish) -> Result<Filled, FillError> {
        self.fill.fill(volume, self.root()).await
    }

    /// What the pod's directory of kubelet has at this path.
    pub(crate) fn in_pod(&self, path: &str) -> PathBuf {
        self.directory.path().join("kubelet/pods").join(POD).join(path)
    }

    /// What lies beside kubelet's directory.
    pub(crate) fn outside(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(crate) fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.directory.path().join("volume").join(name)).unwrap()
    }
}

fn servers(fake: &Fake, directory: &tempfile::TempDir) -> Servers {
    let json = json!({"default": {"url": fake.url, "ca": fake.authority.pem(), "audience": "esi"}});
    let file = directory.path().join("servers.json");
    std::fs::write(&file, json.to_string()).unwrap();
    open(file, directory.path().join("tokens")).unwrap().0
}

pub(crate) fn plan() -> Value {
    json!({
        "version": 1, "binding": "db",
        "source": {"generator": {"kind": "Fake", "namespace": "demo", "name": "one"}},
        "files": [{"path": "conf/db.json", "format": "json"}, {"path": "password", "key": "password"}]
    })
}

pub(crate) fn with(change: impl FnOnce(&mut Value)) -> Value {
    let mut plan = plan();
    change(&mut plan);
    plan
}

/// As kubelet asks for it.
pub(crate) fn publish(plan: &Value) -> Publish {
    Publish {
        id: format!("csi-{}", "0f".repeat(32)).parse().unwrap(),
        target: Target::new(POD.parse().unwrap(), "esi-db".to_owned()).unwrap(),
        pod: Pod {
            namespace: "shop".parse().unwrap(),
            name: "web".parse().unwrap(),
            uid: POD.parse().unwrap(),
            service_account: "web".parse().unwrap(),
        },
        delivery: Delivery::Node,
        plan: Plan::parse(&plan.to_string()).unwrap(),
        owner: Owner::default(),
        tokens: BTreeMap::from([("esi".to_owned(), SecretBytes::from("the-pods"))]),
    }
}
