use esi_resources::catalog::SnapshotBuilder;
use esi_resources::federation::KubernetesFederation;

use super::*;
use crate::testing::lease;

fn federation(name: &str, agents: &[&str]) -> KubernetesFederation {
    KubernetesFederation {
        name: name.parse().unwrap(),
        url: None,
        ca_bundle: None,
        issuer: Some("https://cluster".to_owned()),
        audiences: vec![],
        jwks: None,
        node_agents: agents
            .iter()
            .map(|agent| (*agent).to_owned().try_into().unwrap())
            .collect(),
    }
}

/// Two clusters that call themselves by one issuer; only the daemons of one are listed.
fn catalog() -> Snapshot {
    SnapshotBuilder::new()
        .federation(federation("dev", &["esi/node"]))
        .federation(federation("other", &["other/agent"]))
        .build()
}

fn daemon() -> Principal {
    Principal {
        federation: "dev".parse().unwrap(),
        issuer: "https://cluster".to_owned(),
        subject: "system:serviceaccount:esi:node".to_owned(),
        namespace: "esi".parse().unwrap(),
        service_account: "node".parse().unwrap(),
        pod: Some((
            "esi-node-x".parse().unwrap(),
            "uid-of-the-daemon".parse().unwrap(),
        )),
        node: Some("n1".parse().unwrap()),
    }
}

fn agent(change: impl FnOnce(&mut Principal)) -> Result<NodeAgent, NotAnAgent> {
    let mut principal = daemon();
    change(&mut principal);
    NodeAgent::of(&catalog(), &principal)
}

fn on(node: Option<&str>, cluster: &str) -> Lease {
    let mut lease = lease();
    lease.owner.node = node.map(|node| node.parse().unwrap());
    lease.key.cluster = cluster.parse().unwrap();
    lease
}

#[test]
fn a_daemon_that_is_listed_speaks_for_the_leases_of_its_node_and_cluster_only() {
    let agent = agent(|_| {}).unwrap();
    assert!(agent.speaks_for(&on(Some("n1"), "dev")));
    assert!(!agent.speaks_for(&on(Some("n2"), "dev")), "another node");
    assert!(
        !agent.speaks_for(&on(Some("n1"), "other")),
        "a node of that name elsewhere"
    );
    assert!(!agent.speaks_for(&on(None, "dev")), "a token that named no node");
}

#[test]
fn who_is_not_listed_is_refused_with_where_to_list_it() {
    let refused = |change: fn(&mut Principal)| matches!(agent(change), Err(NotAnAgent::NotListed { .. }));
    assert!(refused(|daemon| daemon.service_account = "node2".parse().unwrap()));
    assert!(refused(|daemon| daemon.namespace = "demo".parse().unwrap()));
    assert!(refused(|daemon| daemon.federation = "other".parse().unwrap()));
    assert!(refused(|daemon| daemon.federation = "gone".parse().unwrap()));
    let error = agent(|daemon| daemon.namespace = "demo".parse().unwrap()).unwrap_err();
    let text = error.to_string();
    assert!(text.contains("nodeAgents") && text.contains("`dev`"), "{text}");
}

#[test]
fn a_token_that_names_no_pod_or_no_node_is_no_daemons() {
    assert_eq!(agent(|daemon| daemon.pod = None), Err(NotAnAgent::NoNode));
    assert_eq!(agent(|daemon| daemon.node = None), Err(NotAnAgent::NoNode));
}

#[test]
fn a_lease_is_judged_by_the_rights_of_whoever_has_it_and_not_of_the_daemon() {
    let owner = agent(|_| {}).unwrap().owner_of(&on(Some("n1"), "dev"));
    assert_eq!(owner.subject, "system:serviceaccount:demo:app");
    assert_eq!(owner.issuer, "https://cluster");
}
