//! A volume that the daemon fills: its credential works while it is there, and not after.

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use esi_client::{Action, Budget, Gone, Shown};
use esi_core::{Classify as _, Generation, Plan, SecretBytes};
use esi_node::fill::{Fill as _, Filled, NodeFill};
use esi_node::mount::Pods;
use esi_node::request::{Delivery, KubeletRoot, Owner, Pod, Publish, Target};
use esi_node::server::{Servers, open};
use esi_tests::eventually;
use esi_tests::federation::CLUSTER;
use esi_tests::issuer::{self, AUDIENCE, Issuer};
use serde_json::json;
use tempfile::TempDir;

use crate::flow::world::{SHOP, World};

/// The node of every pod, as [`Issuer::claims`] has it.
const NODE: &str = "node-a";
const SECOND: Duration = Duration::from_secs(1);

/// A node whose daemon the server believes, and a volume of one pod of it.
struct Node {
    world: World,
    dir: TempDir,
    servers: Servers,
    fill: NodeFill,
    publish: Publish,
}

impl Node {
    async fn start() -> Self {
        let mut world = World::prepare().await;
        let mut federation = world.federation.issuer.federation(CLUSTER);
        federation["spec"]["nodeAgents"] = json!(["esi-system/esi-node"]);
        world
            .federation
            .write("federation.json", &federation.to_string())
            .unwrap();
        world.federation.start().unwrap();

        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        for name in ["kubelet/pods", "tokens", "volume"] {
            std::fs::create_dir_all(path(name)).unwrap();
        }
        std::fs::write(path("tokens/default"), daemon_token(&world)).unwrap();
        let ca = std::fs::read_to_string(world.federation.ca()).unwrap();
        let servers = json!({"default": {"url": world.federation.url(), "ca": ca, "audience": AUDIENCE}});
        std::fs::write(path("servers.json"), servers.to_string()).unwrap();
        let (servers, _follower) = open(path("servers.json"), path("tokens")).unwrap();
        let root = KubeletRoot::new(path("kubelet").to_str().unwrap()).unwrap();
        let fill = NodeFill::new(servers.clone(), Arc::new(Pods::open(&root).unwrap()));
        let publish = publish(&world);
        Self {
            world,
            dir,
            servers,
            fill,
            publish,
        }
    }

    fn volume(&self) -> PathBuf {
        self.dir.path().join("volume")
    }

    async fn filled(&self) -> Filled {
        let root: OwnedFd = std::fs::File::open(self.volume()).unwrap().into();
        self.fill.fill(&self.publish, root).await.unwrap()
    }

    /// Whether the credential that the volume shows is one.
    async fn can_log_in(&self) -> bool {
        let read = |name: &str| std::fs::read_to_string(self.volume().join(name)).unwrap();
        let (user, password) = (read("username"), read("password"));
        self.world.fixture.connect(&user, &password).await.is_ok()
    }

    async fn nobody_can_log_in(&self) {
        eventually("the user is gone", async || self.world.users().await.is_empty()).await;
        assert!(!self.can_log_in().await);
    }
}

fn daemon_token(world: &World) -> String {
    let daemon = issuer::Pod {
        namespace: "esi-system".to_owned(),
        service_account: "esi-node".to_owned(),
        ..issuer::Pod::new()
    };
    let claims = Issuer::claims(&daemon);
    assert_eq!(claims["kubernetes.io"]["node"]["name"], NODE);
    world.federation.issuer.sign(&claims)
}

/// As kubelet asks for it, with the pod's own token.
fn publish(world: &World) -> Publish {
    let pod = issuer::Pod::new();
    let (kind, rest) = SHOP.split_once('/').unwrap();
    let (namespace, name) = rest.split_once('/').unwrap();
    let plan = json!({
        "version": 1, "binding": "db",
        "source": {"generator": {"kind": kind, "namespace": namespace, "name": name}},
        "files": [{"path": "username", "key": "username"}, {"path": "password", "key": "password"}]
    });
    let token = SecretBytes::from(world.federation.issuer.token(&pod));
    Publish {
        id: format!("csi-{}", "0f".repeat(32)).parse().unwrap(),
        target: Target::new(pod.uid.parse().unwrap(), "esi-db".to_owned()).unwrap(),
        pod: Pod {
            namespace: pod.namespace.parse().unwrap(),
            name: pod.name.parse().unwrap(),
            uid: pod.uid.parse().unwrap(),
            service_account: pod.service_account.parse().unwrap(),
        },
        delivery: Delivery::Node,
        plan: Plan::parse(&plan.to_string()).unwrap(),
        owner: Owner::default(),
        tokens: BTreeMap::from([(AUDIENCE.to_owned(), token)]),
    }
}

#[tokio::test]
async fn a_filled_volume_has_a_login_until_it_is_given_back() {
    let node = Node::start().await;
    let filled = node.filled().await;
    assert_eq!(filled.generation, Generation::FIRST);
    assert!(node.can_log_in().await);
    node.fill.give_back(&node.publish).await;
    node.nobody_can_log_in().await;
}

#[tokio::test]
async fn a_publish_that_failed_and_is_tried_again_leaves_one_login() {
    let node = Node::start().await;
    node.filled().await;
    let second = node.filled().await;
    node.fill.shown(&node.publish, &second).await;
    eventually("one user is left", async || node.world.users().await.len() == 1).await;
    assert!(node.can_log_in().await);
}

#[tokio::test]
async fn what_a_volume_shows_is_kept_by_the_daemons_reports_and_ends_with_its_release() {
    let node = Node::start().await;
    let filled = node.filled().await;
    node.fill.shown(&node.publish, &filled).await;
    let server = node.servers.get(&node.publish.plan.server).unwrap();
    let shown = Shown {
        pod: node.publish.pod.uid.clone(),
        binding: node.publish.plan.binding.clone(),
        generation: filled.generation,
    };
    let report = server
        .own()
        .report_shown(std::slice::from_ref(&shown), Budget::of(30 * SECOND))
        .await
        .unwrap();
    assert_eq!(report.verdicts[0].action, Action::Keep);
    // Once it is seen, a failure is not a reason to take it back.
    node.fill.give_back(&node.publish).await;
    assert!(node.can_log_in().await);

    let gone = Gone {
        pod: shown.pod,
        binding: shown.binding,
        generation: Some(shown.generation),
    };
    server
        .own()
        .release(&[gone], Budget::of(30 * SECOND))
        .await
        .unwrap();
    node.nobody_can_log_in().await;
}

#[tokio::test]
async fn a_pod_whose_service_account_may_not_use_the_generator_is_told_so() {
    let mut node = Node::start().await;
    let stranger = issuer::Pod {
        service_account: "stranger".to_owned(),
        ..issuer::Pod::new()
    };
    let token = node.world.federation.issuer.token(&stranger);
    node.publish.tokens = BTreeMap::from([(AUDIENCE.to_owned(), token.into())]);
    let root: OwnedFd = std::fs::File::open(node.volume()).unwrap().into();
    let error = node.fill.fill(&node.publish, root).await.unwrap_err();
    assert_eq!(error.code(), esi_core::Code::Unavailable, "kubelet comes back");
    assert!(error.to_string().contains("PermissionDenied"), "{error}");
    assert!(node.world.users().await.is_empty());
}
