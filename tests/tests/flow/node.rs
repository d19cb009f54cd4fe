//! What a node's daemon may do for the pods of its node, and what a forged one cannot.

use esi_api::v1::{Action, IssueResponse};
use esi_tests::eventually;
use esi_tests::federation::{CLUSTER, Client, issue_request, request_id, value};
use esi_tests::issuer::{ISSUER, Issuer, Pod};
use serde_json::{Value, json};
use tonic::{Code, Status};

use super::world::{SHOP, World};

const AGENT: &str = "esi-system/esi-node";

/// A server that believes the daemons of the cluster.
async fn world() -> World {
    let mut world = World::prepare().await;
    list_agents(&world, &[AGENT]);
    // Long enough that an old generation goes only where a test ends it.
    world.federation.flags(&["--overlap", "30m"]);
    world.federation.start().unwrap();
    world
}

fn list_agents(world: &World, agents: &[&str]) {
    let mut federation = world.federation.issuer.federation(CLUSTER);
    federation["spec"]["nodeAgents"] = json!(agents);
    world
        .federation
        .write("federation.json", &federation.to_string())
        .unwrap();
}

/// The claims of a pod of this service account on this node.
fn claims(service_account: &str, pod: &Pod, node: Option<&str>) -> Value {
    let (namespace, name) = service_account.split_once('/').unwrap();
    let pod = Pod {
        namespace: namespace.to_owned(),
        service_account: name.to_owned(),
        ..pod.clone()
    };
    let mut claims = Issuer::claims(&pod);
    match node {
        Some(node) => claims["kubernetes.io"]["node"]["name"] = json!(node),
        None => drop(claims["kubernetes.io"].as_object_mut().unwrap().remove("node")),
    }
    claims
}

async fn client(world: &World, claims: &Value) -> Client {
    let token = world.federation.issuer.sign(claims);
    world.federation.client_with(&token).await.unwrap()
}

/// The daemon of a node.
async fn daemon(world: &World, node: &str) -> Client {
    client(world, &claims(AGENT, &Pod::new(), Some(node))).await
}

/// The workload of a pod on a node.
async fn workload(world: &World, pod: &Pod, node: Option<&str>) -> Client {
    client(world, &claims("demo/app", pod, node)).await
}

/// Issues for `ttl` seconds.
async fn issue_for(client: &mut Client, ttl: i64) -> IssueResponse {
    let mut request = issue_request(SHOP, "db", &request_id());
    request.ttl = Some(prost_types::Duration {
        seconds: ttl,
        nanos: 0,
    });
    client.issue_as(request).await.unwrap()
}

/// The end that PostgreSQL itself has for a user.
async fn valid_until(world: &World, issued: &IssueResponse) -> Vec<Vec<String>> {
    let user = value(issued, "username");
    let ask = format!(
        "SELECT extract(epoch FROM rolvaliduntil)::bigint::text FROM pg_roles WHERE rolname = '{user}'"
    );
    world.fixture.ask(&ask).await.unwrap()
}

#[tokio::test]
async fn the_report_of_the_nodes_daemon_acknowledges_and_keeps_a_lease_alive() {
    let world = world().await;
    let pod = Pod::new();
    let mut app = workload(&world, &pod, Some("n1")).await;
    let issued = issue_for(&mut app, 8).await;
    assert_eq!(issued.lease.as_ref().unwrap().node, "n1");
    let verdict = daemon(&world, "n1").await.report_of(&pod.uid, 1).await.unwrap();
    assert_eq!(verdict.action(), Action::Keep);
    assert!(
        verdict.renewable && verdict.max_expires_in.is_none(),
        "{verdict:?}"
    );
    let first = valid_until(&world, &issued).await;
    eventually("PostgreSQL shows a later expiry", async || {
        valid_until(&world, &issued).await > first
    })
    .await;
    // It is acknowledged: the begin of the next one leaves it alone.
    app.issue(SHOP).await.unwrap();
    assert!(world.can_log_in(&issued).await);
}

#[tokio::test]
async fn the_report_of_another_nodes_daemon_keeps_nothing_alive() {
    let world = world().await;
    let pod = Pod::new();
    let issued = issue_for(&mut workload(&world, &pod, Some("n1")).await, 4).await;
    let mut other = daemon(&world, "n2").await;
    let theirs = other.report_of(&pod.uid, 1).await.unwrap();
    let nobodys = other.report_of("no-such-pod", 1).await.unwrap();
    assert_eq!(theirs, nobodys, "it does not learn that the pod is there");
    assert_eq!(theirs.action(), Action::Unknown);
    eventually("the lease ends at its time to live", async || {
        world.users().await.is_empty()
    })
    .await;
    assert!(!world.can_log_in(&issued).await);
}

#[tokio::test]
async fn a_release_by_the_nodes_daemon_ends_the_lease_and_by_another_does_nothing() {
    let world = world().await;
    let (pod, other) = (Pod::new(), Pod::new());
    let issued = issue_for(&mut workload(&world, &pod, Some("n1")).await, 3600).await;
    let kept = issue_for(&mut workload(&world, &other, Some("n2")).await, 3600).await;
    for generation in [None, Some(1)] {
        let mut forged = daemon(&world, "n2").await;
        assert_eq!(forged.release(&[(&pod.uid, generation)]).await.unwrap(), 0);
    }
    assert!(world.can_log_in(&issued).await);

    let mut own = daemon(&world, "n1").await;
    let all = [
        (&*pod.uid, Some(1)),
        (&*other.uid, Some(1)),
        ("no-such-pod", None),
    ];
    assert_eq!(own.release(&all).await.unwrap(), 1);
    world.only_user_left(&kept).await;
    assert!(!world.can_log_in(&issued).await);
    assert_eq!(
        own.release(&all).await.unwrap(),
        0,
        "repeated, it ends nothing more"
    );
    assert_eq!(own.report_of(&pod.uid, 1).await.unwrap().action(), Action::Rotate);
    assert!(world.can_log_in(&kept).await);
}

#[tokio::test]
async fn a_late_release_leaves_the_newer_generation_alone() {
    let world = world().await;
    let pod = Pod::new();
    let mut app = workload(&world, &pod, Some("n1")).await;
    issue_for(&mut app, 3600).await;
    app.acknowledge(1).await.unwrap();
    let second = issue_for(&mut app, 3600).await;
    let mut own = daemon(&world, "n1").await;
    assert_eq!(own.release(&[(&pod.uid, Some(1))]).await.unwrap(), 1);
    world.only_user_left(&second).await;
    assert!(world.can_log_in(&second).await);
    // What the pod is to have none of at all goes without a generation.
    assert_eq!(own.release(&[(&pod.uid, None)]).await.unwrap(), 1);
    eventually("no user is left", async || world.users().await.is_empty()).await;
}

#[tokio::test]
async fn what_a_report_leaves_out_lives_on() {
    let world = world().await;
    let (reported, left_out) = (Pod::new(), Pod::new());
    issue_for(&mut workload(&world, &reported, Some("n1")).await, 3600).await;
    let issued = issue_for(&mut workload(&world, &left_out, Some("n1")).await, 3600).await;
    let mut own = daemon(&world, "n1").await;
    own.report_of(&reported.uid, 1).await.unwrap();
    assert!(world.can_log_in(&issued).await);
    assert_eq!(
        own.report_of(&left_out.uid, 1).await.unwrap().action(),
        Action::Keep
    );
}

/// What a caller reaches of the lease of a pod on `n1`: its report, its release.
async fn reach(caller: &mut Client, pod: &Pod) -> [Result<u32, Status>; 2] {
    let reported = caller.report_of(&pod.uid, 1).await;
    let reported = reported.map(|verdict| u32::from(verdict.action() != Action::Unknown));
    [reported, caller.release(&[(&pod.uid, None)]).await]
}

#[tokio::test]
async fn who_is_no_daemon_of_the_pods_cluster_and_node_reaches_nothing() {
    let world = world().await;
    // A cluster that calls itself as this one does, with keys and daemons of its own.
    let theirs = Issuer::new("key-2");
    let mut federation = theirs.federation("their-cluster");
    federation["spec"]["nodeAgents"] = json!([AGENT]);
    world
        .federation
        .write("their.json", &federation.to_string())
        .unwrap();
    let pod = Pod::new();
    let issued = issue_for(&mut workload(&world, &pod, Some("n1")).await, 3600).await;
    let signed_by = async |issuer: &Issuer, claims: &Value| {
        world.federation.client_with(&issuer.sign(claims)).await.unwrap()
    };
    let ours = &world.federation.issuer;
    let daemons = claims(AGENT, &Pod::new(), Some("n1"));
    let mut without_pod = daemons.clone();
    without_pod["kubernetes.io"]
        .as_object_mut()
        .unwrap()
        .remove("pod");
    assert_eq!(daemons["iss"], ISSUER);

    let foreign = signed_by(&theirs, &daemons).await;
    eventually("the other cluster is in the catalog", async || {
        foreign.clone().report_of("x", 1).await.is_ok()
    })
    .await;
    for result in reach(&mut foreign.clone(), &pod).await {
        assert_eq!(result.unwrap(), 0, "a node of the same name elsewhere");
    }
    for (claims, code) in [
        (
            claims("demo/app", &Pod::new(), Some("n1")),
            Code::PermissionDenied,
        ),
        (
            claims("demo/esi-node", &Pod::new(), Some("n1")),
            Code::PermissionDenied,
        ),
        (
            claims("esi-system/other", &Pod::new(), Some("n1")),
            Code::PermissionDenied,
        ),
        (claims("demo/app", &pod, Some("n1")), Code::PermissionDenied),
        (claims(AGENT, &Pod::new(), None), Code::PermissionDenied),
        // Without a pod it must name an instance, which makes it no daemon either.
        (without_pod, Code::InvalidArgument),
    ] {
        let mut forged = signed_by(ours, &claims).await;
        for result in reach(&mut forged, &pod).await {
            assert_eq!(result.unwrap_err().code(), code, "{claims}");
        }
    }
    assert!(world.can_log_in(&issued).await);
    let untouched = daemon(&world, "n1").await.report_of(&pod.uid, 1).await.unwrap();
    assert_eq!(untouched.action(), Action::Keep);
}

#[tokio::test]
async fn a_daemon_that_is_taken_off_the_list_has_no_say_any_more() {
    let world = world().await;
    let pod = Pod::new();
    issue_for(&mut workload(&world, &pod, Some("n1")).await, 3600).await;
    let mut own = daemon(&world, "n1").await;
    own.report_of(&pod.uid, 1).await.unwrap();
    list_agents(&world, &[]);
    eventually("it is refused", async || {
        let refused = own.clone().report_of(&pod.uid, 1).await;
        refused.is_err_and(|status| status.message().contains("nodeAgents"))
    })
    .await;
    assert_eq!(
        own.release(&[(&pod.uid, None)]).await.unwrap_err().code(),
        Code::PermissionDenied
    );
}

#[tokio::test]
async fn a_pod_whose_token_names_no_node_is_no_nodes() {
    let world = world().await;
    let pod = Pod::new();
    let issued = issue_for(&mut workload(&world, &pod, None).await, 3600).await;
    assert_eq!(issued.lease.as_ref().unwrap().node, "");
    let mut own = daemon(&world, "n1").await;
    for result in reach(&mut own, &pod).await {
        assert_eq!(result.unwrap(), 0);
    }
    assert!(world.can_log_in(&issued).await);
}

#[tokio::test]
async fn an_overlap_is_as_long_as_was_asked_for_and_the_server_allows() {
    let mut world = World::prepare().await;
    world
        .federation
        .flags(&["--overlap", "1s", "--max-overlap", "1h"]);
    world.federation.start().unwrap();
    let mut client = world.federation.client(&Pod::new()).await.unwrap();
    let rotate = async |client: &mut Client, overlap: i64, generation| {
        let mut request = issue_request(SHOP, "db", &request_id());
        request.overlap = Some(prost_types::Duration {
            seconds: overlap,
            nanos: 0,
        });
        let issued = client.issue_as(request).await?;
        client.acknowledge(generation).await?;
        Ok::<_, Status>(issued)
    };
    let first = client.issue(SHOP).await.unwrap();
    client.acknowledge(1).await.unwrap();
    let second = rotate(&mut client, 1800, 2).await.unwrap();
    // A pod that asks for nothing rotates after it, and its old one goes before.
    let mut witness = world.federation.client(&Pod::new()).await.unwrap();
    let old = witness.issue(SHOP).await.unwrap();
    witness.acknowledge(1).await.unwrap();
    witness.issue(SHOP).await.unwrap();
    witness.acknowledge(2).await.unwrap();
    eventually("the overlap that nobody asked for is over", async || {
        !world.can_log_in(&old).await
    })
    .await;
    assert!(world.can_log_in(&first).await);
    witness.revoke().await.unwrap();
    let third = rotate(&mut client, 0, 3).await.unwrap();
    world.only_user_left(&third).await;
    assert!(!world.can_log_in(&second).await);
    let refused = rotate(&mut client, 25 * 3600, 4).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
}

#[tokio::test]
async fn the_calls_of_daemons_are_counted_as_all_others() {
    let world = world().await;
    let mut own = daemon(&world, "n1").await;
    own.report_of("no-such-pod", 1).await.unwrap();
    own.release(&[("no-such-pod", None)]).await.unwrap();
    workload(&world, &Pod::new(), Some("n1"))
        .await
        .release(&[])
        .await
        .unwrap_err();
    for (labels, number) in [
        (r#"call="Report",result="ok""#, "1"),
        (r#"call="Revoke",result="ok""#, "1"),
        (r#"call="Revoke",result="not_a_node_agent""#, "1"),
    ] {
        let name = format!("esi_calls_total{{{labels}}}");
        assert_eq!(world.metric(&name).await, number, "{name}");
    }
}
