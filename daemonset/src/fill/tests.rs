//! What needs no mount: a volume is any directory here. The env file's directory is tried in `tests/fill`.

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use esi_client::testing::{Fake, Fault, Method};
use esi_core::{Classify as _, Code, Generation, Plan, Retry, SecretBytes};
use serde_json::{Value, json};

use super::{Fill as _, FillError, Filled, NodeFill};
use crate::mount::Pods;
use crate::request::{Delivery, KubeletRoot, Owner, Pod, Publish, Target};
use crate::server::{Servers, open};

const POD: &str = "00000000-0000-0000-0000-000000000001";

/// A server, kubelet's directory, and the root of a volume.
struct World {
    fake: Fake,
    directory: tempfile::TempDir,
    fill: NodeFill,
}

impl World {
    async fn new() -> Self {
        let fake = Fake::start().await;
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        std::fs::create_dir_all(path("kubelet/pods").join(POD)).unwrap();
        std::fs::create_dir(path("volume")).unwrap();
        let root = KubeletRoot::new(path("kubelet").to_str().unwrap()).unwrap();
        let fill = NodeFill::new(servers(&fake, &directory), Arc::new(Pods::open(&root).unwrap()));
        Self {
            fake,
            directory,
            fill,
        }
    }

    fn root(&self) -> OwnedFd {
        std::fs::File::open(self.directory.path().join("volume"))
            .unwrap()
            .into()
    }

    async fn fill(&self, volume: &Publish) -> Result<Filled, FillError> {
        self.fill.fill(volume, self.root()).await
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.directory.path().join("volume").join(name)).unwrap()
    }
}

fn servers(fake: &Fake, directory: &tempfile::TempDir) -> Servers {
    let json = json!({"default": {"url": fake.url, "ca": fake.authority.pem(), "audience": "esi"}});
    let file = directory.path().join("servers.json");
    std::fs::write(&file, json.to_string()).unwrap();
    open(file, directory.path().join("tokens")).unwrap().0
}

fn plan() -> Value {
    json!({
        "version": 1, "binding": "db",
        "source": {"generator": {"kind": "Fake", "namespace": "demo", "name": "one"}},
        "files": [{"path": "conf/db.json", "format": "json"}, {"path": "password", "key": "password"}]
    })
}

fn with(change: impl FnOnce(&mut Value)) -> Value {
    let mut plan = plan();
    change(&mut plan);
    plan
}

/// As kubelet asks for it.
fn publish(plan: &Value) -> Publish {
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

/// A refusal before anything was asked for.
async fn refused(world: &World, volume: &Publish, kind: &str) -> String {
    let error = world.fill(volume).await.unwrap_err();
    assert_eq!((error.kind(), error.code()), (kind, Code::Unavailable));
    assert!(world.fake.calls().is_empty(), "nothing was issued");
    world.fill.give_back(volume).await;
    assert!(world.fake.calls().is_empty(), "there is nothing to give back");
    error.to_string()
}

#[tokio::test]
async fn a_volume_is_filled_with_the_pods_own_token_and_acknowledged_once_it_is_seen() {
    let world = World::new().await;
    let volume = publish(&plan());
    let filled = world.fill(&volume).await.unwrap();
    assert_eq!(filled.generation, Generation::FIRST);
    assert!(filled.expires_in.is_some());
    assert_eq!(world.read("password"), world.fake.password(1));
    assert!(world.read("conf/db.json").contains(&world.fake.password(1)));
    assert!(
        world.fake.calls_of(Method::Acknowledge).is_empty(),
        "nobody sees it yet"
    );

    world.fill.shown(&volume, &filled).await;
    let call = &world.fake.calls_of(Method::Acknowledge)[0];
    assert_eq!((call.binding.as_str(), call.generation), ("db", 1));
    for call in world.fake.calls() {
        assert_eq!(call.authorization, "Bearer the-pods");
        assert_eq!(call.instance, "", "a pod is known by its token");
    }
    // What is seen is not taken back.
    world.fill.give_back(&volume).await;
    assert!(world.fake.calls_of(Method::Revoke).is_empty());
}

#[tokio::test]
async fn what_was_filled_and_is_never_seen_is_given_back_once() {
    let world = World::new().await;
    let volume = publish(&plan());
    world.fill(&volume).await.unwrap();
    world.fill.give_back(&volume).await;
    world.fill.give_back(&volume).await;
    let revoked = world.fake.calls_of(Method::Revoke);
    assert_eq!(revoked.len(), 1);
    assert_eq!(
        (revoked[0].binding.as_str(), revoked[0].authorization.as_str()),
        ("db", "Bearer the-pods")
    );
}

#[tokio::test]
async fn an_issue_whose_end_nobody_waited_for_is_given_back() {
    let world = World::new().await;
    let volume = publish(&plan());
    world.fake.fault(Method::Issue, 1, &Fault::Hang);
    tokio::select! {
        _ = world.fill(&volume) => panic!("it cannot be filled"),
        _ = world.fake.wait(Method::Issue, 1) => {}
    }
    world.fill.give_back(&volume).await;
    assert_eq!(world.fake.calls_of(Method::Revoke).len(), 1);
}

#[tokio::test]
async fn a_refusal_of_the_server_is_told_to_the_pod_and_there_is_nothing_to_give_back() {
    let world = World::new().await;
    let volume = publish(&plan());
    world.fake.refuse(Method::Issue, 1, tonic::Code::PermissionDenied);
    let error = world.fill(&volume).await.unwrap_err();
    assert_eq!((error.code(), error.retry()), (Code::Unavailable, Retry::Never));
    assert_eq!(
        error.to_string(),
        "no credential from server `default`: the server said PermissionDenied: as the test said"
    );
    world.fill.give_back(&volume).await;
    assert!(world.fake.calls_of(Method::Revoke).is_empty());
}

#[tokio::test]
async fn a_value_that_does_not_fit_is_named_never_shown_and_given_back() {
    let world = World::new().await;
    let files = json!([{"path": "x", "key": "nope"}]);
    let volume = publish(&with(|plan| plan["files"] = files));
    let error = world.fill(&volume).await.unwrap_err();
    assert_eq!(error.code(), Code::Unavailable);
    let text = error.to_string();
    assert!(text.contains("files[0] `x`") && text.contains("`nope`"), "{text}");
    assert!(!text.contains(&world.fake.password(1)));
    world.fill.give_back(&volume).await;
    assert_eq!(world.fake.calls_of(Method::Revoke).len(), 1);
}

#[tokio::test]
async fn variables_for_exec_are_refused() {
    let world = World::new().await;
    let plan = with(|plan| {
        plan["envMethod"] = "exec".into();
        plan["env"] = json!([{"name": "A", "key": "password"}]);
    });
    let text = refused(&world, &publish(&plan), "fill_exec_variables").await;
    assert!(text.contains("delivery `init`"), "{text}");
}

#[tokio::test]
async fn a_template_that_no_credential_could_satisfy_is_refused() {
    let world = World::new().await;
    let files = json!([{"path": "x", "template": "{{ nope("}]);
    let volume = publish(&with(|plan| plan["files"] = files));
    let error = world.fill(&volume).await.unwrap_err();
    assert!(error.to_string().contains("files[0] `x`"), "{error}");
    assert!(world.fake.calls().is_empty());
}

#[tokio::test]
async fn a_server_that_this_node_does_not_know_is_named() {
    let world = World::new().await;
    let plan = with(|plan| plan["server"] = "other".into());
    let text = refused(&world, &publish(&plan), "fill_unknown_server").await;
    assert!(
        text.contains("server `other`") && text.contains("`default`"),
        "{text}"
    );
}

#[tokio::test]
async fn a_token_that_kubelet_did_not_give_is_named_by_its_audience() {
    let world = World::new().await;
    let mut volume = publish(&plan());
    volume.tokens = BTreeMap::from([("another".to_owned(), SecretBytes::from("the-pods"))]);
    let text = refused(&world, &volume, "fill_no_token").await;
    assert!(text.contains("`esi`") && text.contains("tokenRequests"), "{text}");
}

#[tokio::test]
async fn a_token_for_another_audience_is_shown_to_nobody() {
    use base64::Engine as _;
    let world = World::new().await;
    let mut volume = publish(&plan());
    let claims = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(r#"{"aud":["elsewhere"]}"#);
    volume.tokens = BTreeMap::from([("esi".to_owned(), format!("e30.{claims}.c2ln").into())]);
    let error = world.fill(&volume).await.unwrap_err();
    assert!(
        error.to_string().contains("the token is for `elsewhere`"),
        "{error}"
    );
    assert!(world.fake.calls().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_directory_of_env_files_that_kubelet_does_not_make_is_waited_for_twenty_seconds() {
    let world = World::new().await;
    let began = tokio::time::Instant::now();
    let plan = with(|plan| plan["env"] = json!([{"name": "A", "key": "password"}]));
    let text = refused(&world, &publish(&plan), "fill_no_env_directory").await;
    assert!(text.contains("`esi-env`"), "{text}");
    let waited = began.elapsed().as_secs_f64();
    assert!((20.0..21.0).contains(&waited), "{waited}");
}
