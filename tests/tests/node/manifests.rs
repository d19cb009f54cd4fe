//! The manifests as they are shipped: a real API server takes them, the program takes its flags, and the files that
//! speak of the same servers agree.

use std::collections::{BTreeMap, BTreeSet};

use clap::Parser as _;
use esi_node::args::Args;
use esi_tests::kubernetes::{Cluster, Manifests, deploy, deployed};
use serde_json::{Value, json};

fn manifests() -> Manifests {
    Manifests::of_kustomization(&deploy("node")).unwrap()
}

fn texts<'v>(list: &'v Value, field: &str) -> BTreeSet<&'v str> {
    list.as_array()
        .unwrap()
        .iter()
        .map(|it| it[field].as_str().unwrap())
        .collect()
}

fn pod(manifests: &Manifests) -> &Value {
    &manifests.get("DaemonSet", "esi-node")["spec"]["template"]["spec"]
}

#[tokio::test]
async fn the_api_server_takes_them_as_they_are() {
    let client = Cluster::shared().await.admin().await.unwrap();
    manifests().apply(&client).await.unwrap();
    let driver = manifests();
    let wanted = driver.get("CSIDriver", "esi.csi.external-secrets.io");
    let found = esi_tests::kubernetes::apply(&client, wanted).await.unwrap();
    // An API server that does not know a field drops it.
    for (field, value) in wanted["spec"].as_object().unwrap() {
        assert_eq!(&found.data["spec"][field], value, "{field}");
    }
}

#[test]
fn the_program_takes_its_flags_and_the_default_driver() {
    let manifests = manifests();
    let container = &pod(&manifests)["containers"][0];
    let flags = container["args"].as_array().unwrap().iter();
    let flags = flags.map(|flag| flag.as_str().unwrap().to_owned());
    let line = std::iter::once("esi-node".to_owned())
        .chain(flags)
        .chain(["--node-name=node-1".to_owned()]);
    Args::try_parse_from(line).unwrap();
}

#[test]
fn every_server_has_its_audience_in_all_places() {
    let manifests = manifests();
    let servers: BTreeMap<String, Value> =
        serde_json::from_str(&deployed("node/servers.json").unwrap()).unwrap();
    let audiences: BTreeSet<&str> = servers
        .values()
        .map(|server| server["audience"].as_str().unwrap())
        .collect();
    let driver = manifests.get("CSIDriver", "esi.csi.external-secrets.io");
    assert_eq!(texts(&driver["spec"]["tokenRequests"], "audience"), audiences);

    let volumes = pod(&manifests)["volumes"].as_array().unwrap();
    let tokens = volumes.iter().find(|volume| volume["name"] == "tokens").unwrap();
    let tokens = tokens["projected"]["sources"].as_array().unwrap();
    let own: BTreeMap<String, &Value> = tokens
        .iter()
        .map(|source| &source["serviceAccountToken"])
        .map(|token| (token["path"].as_str().unwrap().to_owned(), &token["audience"]))
        .collect();
    let wanted = servers
        .iter()
        .map(|(name, server)| (name.clone(), &server["audience"]))
        .collect();
    assert_eq!(own, wanted);
}

#[test]
fn kubelets_directory_has_the_same_path_inside_and_outside() {
    let manifests = manifests();
    let pod = pod(&manifests);
    for volume in pod["volumes"].as_array().unwrap() {
        let Some(path) = volume["hostPath"]["path"].as_str() else {
            continue;
        };
        let mounts = pod["containers"][0]["volumeMounts"].as_array().unwrap();
        let mount = mounts
            .iter()
            .find(|mount| mount["name"] == volume["name"])
            .unwrap();
        assert_eq!(mount["mountPath"], path);
        let shared = path.ends_with("/pods");
        assert_eq!(
            mount.get("mountPropagation") == Some(&json!("Bidirectional")),
            shared,
            "{path}"
        );
    }
}
