//! Volumes after their publish, with the shipped daemon, the shipped server and a real PostgreSQL: rotated while they
//! are read, released whatever is down meanwhile.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use esi_api::v1::PodLeases;
use esi_api::v1::rotate_leases_request::Leases;
use esi_tests::eventually;
use esi_tests::federation::{CLUSTER, Client};
use esi_tests::issuer::{self, AUDIENCE, Issuer};
use esi_tests::node::{Daemon, Kubelet, Volume};
use serde_json::json;

use crate::flow::world::{SHOP, World};

/// Longer than the new login takes to be seen, and short enough to wait for.
const OVERLAP: Duration = Duration::from_secs(3);

/// A server that believes the daemon and an operator, a daemon, and a volume of one pod.
struct Scene {
    world: World,
    daemon: Daemon,
    kubelet: Kubelet,
    volume: Volume,
    pod: issuer::Pod,
}

/// A user and a password.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Login(String, String);

impl Scene {
    async fn set() -> Self {
        Self::set_with(None).await
    }

    /// The same with a daemon that kills itself at this step.
    async fn set_with(kill_at: Option<&str>) -> Self {
        let mut world = World::prepare().await;
        let mut federation = world.federation.issuer.federation(CLUSTER);
        federation["spec"]["nodeAgents"] = json!(["esi-system/esi-node"]);
        world
            .federation
            .write("federation.json", &federation.to_string())
            .unwrap();
        world
            .federation
            .flags(&["--operator", &format!("{CLUSTER}/esi-system/admin")]);
        world.federation.start().unwrap();

        let daemon = Daemon::prepare().unwrap();
        let files = daemon.root().join("esi");
        let tokens = files.join("tokens");
        fs::create_dir_all(&tokens).unwrap();
        fs::write(tokens.join("default"), token_of(&world, "esi-node", true)).unwrap();
        let path = |path: &Path| path.display().to_string();
        let servers = files.join("servers.json");
        let mut daemon = daemon
            .with(&["--servers", &path(&servers), "--token-dir", &path(&tokens)])
            .killed_at(kill_at);
        describe(&world, &servers);
        daemon.run().unwrap();
        let kubelet = daemon.register().await.unwrap();
        daemon.hold().unwrap();

        let pod = issuer::Pod::new();
        let volume = volume(&world, &pod);
        kubelet.publish(&volume).await.unwrap();
        Self {
            world,
            daemon,
            kubelet,
            volume,
            pod,
        }
    }

    fn inside(&self, name: &str) -> PathBuf {
        let target = self.volume.target(&self.daemon.root());
        self.daemon.inside(&target.join(name)).unwrap()
    }

    /// What a program reads that keeps to one generation.
    fn login(&self) -> Login {
        loop {
            let generation = fs::read_link(self.inside("..data")).unwrap();
            let read =
                |name: &str| fs::read_to_string(self.inside(&generation.join(name).display().to_string()));
            // Gone meanwhile: begin again.
            if let (Ok(user), Ok(password)) = (read("username"), read("password")) {
                return Login(user, password);
            }
        }
    }

    async fn is_good(&self, Login(user, password): &Login) -> bool {
        self.world.fixture.connect(user, password).await.is_ok()
    }

    fn state(&self) -> PathBuf {
        self.daemon
            .root()
            .join("plugins/esi.csi.external-secrets.io/state")
    }

    fn records(&self) -> usize {
        fs::read_dir(self.state()).unwrap().count()
    }

    async fn operator(&self) -> Client {
        let token = token_of(&self.world, "admin", false);
        self.world.federation.client_with(&token).await.unwrap()
    }

    async fn ask_for_a_rotation(&self) {
        let leases = Leases::Pod(PodLeases {
            federation: CLUSTER.to_owned(),
            pod_uid: self.pod.uid.clone(),
            binding: "db".to_owned(),
        });
        assert_eq!(self.operator().await.rotate(leases).await.unwrap(), 1);
    }

    /// Waits for a metric of the daemon to have this value.
    async fn metric(&self, line: &str) {
        drop(esi_runtime::crypto::install());
        eventually(&format!("the daemon says {line}"), async || {
            let url = format!("{}/metrics", self.daemon.admin().unwrap());
            let text = reqwest::get(url).await.unwrap().text().await.unwrap();
            text.lines().any(|found| found == line)
        })
        .await;
    }
}

/// A token of a service account of ESI itself, in a pod or not.
fn token_of(world: &World, service_account: &str, in_a_pod: bool) -> String {
    let mut claims = Issuer::claims(&issuer::Pod {
        namespace: "esi-system".to_owned(),
        service_account: service_account.to_owned(),
        ..issuer::Pod::new()
    });
    if !in_a_pod {
        let bound = claims["kubernetes.io"].as_object_mut().unwrap();
        bound.remove("pod");
        bound.remove("node");
    }
    world.federation.issuer.sign(&claims)
}

/// Writes where the server is, whole at once.
fn describe(world: &World, servers: &Path) {
    let ca = fs::read_to_string(world.federation.ca()).unwrap();
    let text = json!({"default": {"url": world.federation.url(), "ca": ca, "audience": AUDIENCE}});
    let staged = servers.with_extension("staged");
    fs::write(&staged, text.to_string()).unwrap();
    fs::rename(staged, servers).unwrap();
}

fn volume(world: &World, pod: &issuer::Pod) -> Volume {
    let parts: Vec<&str> = SHOP.split('/').collect();
    let plan = json!({
        "version": 1, "binding": "db", "overlap": format!("{}s", OVERLAP.as_secs()),
        "source": {"generator": {"kind": parts[0], "namespace": parts[1], "name": parts[2]}},
        "files": [{"path": "username", "key": "username"}, {"path": "password", "key": "password"}]
    });
    let mut volume = Volume::node(&pod.uid)
        .with_plan(&plan)
        .with_token(AUDIENCE, &world.federation.issuer.token(pod));
    volume.pod_name.clone_from(&pod.name);
    volume.namespace.clone_from(&pod.namespace);
    volume.service_account.clone_from(&pod.service_account);
    volume
}

#[tokio::test]
async fn a_rotation_is_seen_whole_and_the_old_login_ends_after_the_overlap_and_not_before() {
    let scene = Scene::set().await;
    let old = scene.login();
    assert!(scene.is_good(&old).await);
    scene.ask_for_a_rotation().await;
    eventually("the volume shows another login", async || {
        let shown = scene.login();
        assert!(scene.is_good(&shown).await, "what is shown is good at every time");
        shown != old
    })
    .await;
    assert!(
        scene.is_good(&old).await,
        "a program that has just read it can use it"
    );
    eventually("the old login is refused", async || !scene.is_good(&old).await).await;
    let new = scene.login();
    assert!(scene.is_good(&new).await);
    assert_eq!(scene.world.users().await.len(), 1);
    scene.metric(r#"esi_node_rotations_total{result="ok"} 1"#).await;

    // The release names the newest.
    scene.kubelet.unpublish(&scene.volume).await.unwrap();
    eventually("nobody is left", async || scene.world.users().await.is_empty()).await;
}

#[tokio::test]
async fn a_volume_that_goes_while_the_server_is_down_is_released_once_it_is_back() {
    let mut scene = Scene::set().await;
    let login = scene.login();
    scene.world.federation.process().kill().unwrap();
    // kubelet, and with it the pod's end, waits for nobody.
    scene.kubelet.unpublish(&scene.volume).await.unwrap();
    scene.metric("esi_node_release_queue_length 1").await;
    assert!(scene.is_good(&login).await, "nobody could be told");
    // The queue outlasts the process.
    scene.daemon.restart().unwrap();
    scene.kubelet = scene.daemon.register().await.unwrap();
    scene.metric("esi_node_release_queue_length 1").await;

    scene.world.federation.start().unwrap();
    describe(&scene.world, &scene.daemon.root().join("esi/servers.json"));
    eventually("the login is refused", async || !scene.is_good(&login).await).await;
    scene.metric("esi_node_release_queue_length 0").await;
    let state = scene
        .daemon
        .root()
        .join("plugins/esi.csi.external-secrets.io/state");
    assert_eq!(fs::read_dir(state).unwrap().count(), 0);
}

#[tokio::test]
async fn a_restarted_daemon_reports_what_its_volumes_show_and_rotates_by_kubelets_next_token() {
    let mut scene = Scene::set().await;
    let old = scene.login();
    scene.daemon.restart().unwrap();
    scene.kubelet = scene.daemon.register().await.unwrap();
    scene.metric(r#"esi_node_verdicts_total{result="keep"} 1"#).await;
    assert_eq!(scene.login(), old, "it is left as it is");
    scene.ask_for_a_rotation().await;
    scene
        .metric(r#"esi_node_verdicts_total{result="rotate_asked"} 1"#)
        .await;
    assert_eq!(scene.login(), old, "the pod's token was in memory only");
    scene.kubelet.publish(&scene.volume).await.unwrap();
    eventually("the volume shows another login", async || scene.login() != old).await;
    assert!(scene.is_good(&scene.login()).await);
    let target = scene.volume.target(&scene.daemon.root());
    assert_eq!(scene.daemon.mounts(target.to_str().unwrap()).unwrap().len(), 1);
}

#[tokio::test]
async fn a_daemon_that_has_lost_its_state_takes_nothing_from_a_pod() {
    let mut scene = Scene::set().await;
    let login = scene.login();
    scene.daemon.process_mut().unwrap().signal("STOP").unwrap();
    let state = scene
        .daemon
        .root()
        .join("plugins/esi.csi.external-secrets.io/state");
    for file in fs::read_dir(state).unwrap() {
        fs::remove_file(file.unwrap().path()).unwrap();
    }
    scene.daemon.restart().unwrap();
    scene.kubelet = scene.daemon.register().await.unwrap();
    // kubelet comes again, and from then on it is known as before.
    scene.kubelet.publish(&scene.volume).await.unwrap();
    scene.metric(r#"esi_node_verdicts_total{result="keep"} 1"#).await;
    assert_eq!(scene.login(), login);
    assert!(scene.is_good(&login).await);
    scene.kubelet.unpublish(&scene.volume).await.unwrap();
    eventually("the login is refused", async || !scene.is_good(&login).await).await;
}

/// A daemon dies at this step of a rotation: the one that comes after finds or makes a whole volume with a good login,
/// and leaves no other.
async fn a_rotation_survives_a_crash_at(step: &str) {
    let mut scene = Scene::set_with(Some(step)).await;
    let old = scene.login_after_death().await;
    assert!(
        scene.is_good(&old).await,
        "a program reads what is good all the while"
    );
    scene.kubelet.publish(&scene.volume).await.unwrap();
    let only = async || {
        let login = scene.login();
        scene.is_good(&login).await && scene.world.users().await == [login.0].into()
    };
    eventually("one login is left, and is shown", only).await;
    let target = scene.volume.target(&scene.daemon.root());
    assert_eq!(scene.daemon.mounts(target.to_str().unwrap()).unwrap().len(), 1);
    scene.kubelet.unpublish(&scene.volume).await.unwrap();
    eventually("nobody is left", async || scene.world.users().await.is_empty()).await;
}

impl Scene {
    async fn login_after_death(&mut self) -> Login {
        self.ask_for_a_rotation().await;
        self.daemon.dies().await.unwrap();
        self.daemon.restart().unwrap();
        self.kubelet = self.daemon.register().await.unwrap();
        self.login()
    }
}

#[tokio::test]
async fn a_rotation_survives_a_crash_before_its_issue() {
    a_rotation_survives_a_crash_at("rotate/recorded").await;
}

#[tokio::test]
async fn a_rotation_survives_a_crash_after_its_issue() {
    a_rotation_survives_a_crash_at("rotate/issued").await;
}

#[tokio::test]
async fn a_rotation_survives_a_crash_once_it_is_seen() {
    a_rotation_survives_a_crash_at("rotate/written").await;
}

#[tokio::test]
async fn a_rotation_survives_a_crash_before_it_is_acknowledged() {
    a_rotation_survives_a_crash_at("rotate/known").await;
}

#[tokio::test]
async fn a_release_survives_a_crash_once_it_is_told() {
    let mut scene = Scene::set_with(Some("release/told")).await;
    scene.kubelet.unpublish(&scene.volume).await.unwrap();
    scene.daemon.dies().await.unwrap();
    scene.daemon.restart().unwrap();
    scene.daemon.register().await.unwrap();
    scene.metric("esi_node_release_queue_length 0").await;
    eventually("nobody is left", async || scene.world.users().await.is_empty()).await;
    eventually("nothing is left to be released", async || scene.records() == 0).await;
}
