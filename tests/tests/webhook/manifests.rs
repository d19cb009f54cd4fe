//! The manifests as they are shipped, as a real API server takes them.

use std::collections::BTreeSet;
use std::time::Duration;

use esi_tests::eventually;
use esi_tests::kubernetes::{Cluster, Manifests, deploy, deployed};
use k8s_openapi::api::admissionregistration::v1::ValidatingAdmissionPolicy;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::ListParams;
use kube::runtime::wait::{await_condition, conditions};
use kube::{Api, ResourceExt as _};
use serde_json::Value;

use super::server;

/// Longer than any controller needs.
const SOON: Duration = Duration::from_secs(60);

#[test]
fn the_kustomization_has_every_file() {
    let kustomization = Manifests::parse(&deployed("webhook/kustomization.yaml").unwrap()).unwrap();
    let resources = kustomization.all()[0]["resources"].as_array().unwrap().iter();
    let listed: BTreeSet<String> = resources.map(|it| it.as_str().unwrap().to_owned()).collect();
    let folder = std::fs::read_dir(deploy("webhook")).unwrap();
    let there = folder
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| {
            name.ends_with(".yaml") && !["kustomization.yaml", "config.yaml"].contains(&name.as_str())
        })
        .collect();
    assert_eq!(listed, there);
}

#[tokio::test]
async fn custom_resource_definitions_are_accepted() {
    let cluster = Cluster::shared().await;
    server::install(cluster).await.unwrap();
    let definitions: Api<CustomResourceDefinition> = Api::all(cluster.admin().await.unwrap());
    for manifest in Manifests::of_folder(&deploy("crds")).unwrap().all() {
        let name = manifest["metadata"]["name"].as_str().unwrap();
        let established = await_condition(definitions.clone(), name, conditions::is_crd_established());
        tokio::time::timeout(SOON, established).await.unwrap().unwrap();
        // It says so where a schema is not structural.
        let definition = definitions.get(name).await.unwrap();
        let conditions = definition.status.unwrap().conditions.unwrap();
        let wrong: Vec<_> = conditions
            .iter()
            .filter(|it| it.type_ == "NonStructuralSchema")
            .collect();
        assert!(wrong.is_empty(), "{name}: {wrong:?}");
    }
}

#[tokio::test]
async fn the_webhooks_own_pods_are_admitted_in_their_namespace() {
    let cluster = Cluster::shared().await;
    server::install(cluster).await.unwrap();
    let deployments: Api<Deployment> = Api::namespaced(cluster.admin().await.unwrap(), "esi-system");
    let are_made = |it: Option<&Deployment>| {
        let status = it.and_then(|it| it.status.as_ref());
        status.is_some_and(|status| status.replicas == Some(2))
    };
    let made = await_condition(deployments, "esi-webhook", are_made);
    tokio::time::timeout(SOON, made).await.unwrap().unwrap();
}

/// The API server checks the types of every expression against the schema of what it is for.
#[tokio::test]
async fn expressions_of_policies_have_no_type_errors() {
    let cluster = Cluster::shared().await;
    server::install(cluster).await.unwrap();
    let policies: Api<ValidatingAdmissionPolicy> = Api::all(cluster.admin().await.unwrap());
    let ours = async || -> Vec<ValidatingAdmissionPolicy> {
        let all = policies.list(&ListParams::default()).await.unwrap();
        all.items
            .into_iter()
            .filter(|it| it.name_any().starts_with("esi-"))
            .collect()
    };
    eventually("all policies are checked", async || {
        let ours = ours().await;
        ours.iter()
            .all(|it| it.status.as_ref().is_some_and(|it| it.type_checking.is_some()))
    })
    .await;
    assert_eq!(ours().await.len(), 2);
    for policy in ours().await {
        let warnings = policy.status.unwrap().type_checking.unwrap().expression_warnings;
        assert!(warnings.as_ref().is_none_or(Vec::is_empty), "{warnings:?}");
    }
}

#[test]
fn only_pods_that_asked_wait_while_nobody_answers() {
    let manifests = Manifests::of_folder(&deploy("webhook")).unwrap();
    let webhooks = manifests.get("MutatingWebhookConfiguration", "esi-webhook")["webhooks"].as_array();
    let [webhook] = webhooks.unwrap().as_slice() else {
        panic!("one webhook")
    };
    let rules: Vec<&Value> = webhook["rules"].as_array().unwrap().iter().collect();
    let [rule] = rules.as_slice() else {
        panic!("one rule")
    };
    assert_eq!(rule["operations"], serde_json::json!(["CREATE"]));
    assert_eq!(rule["resources"], serde_json::json!(["pods"]));
    assert_eq!(webhook["failurePolicy"], "Fail");
    assert!(!webhook["matchConditions"].as_array().unwrap().is_empty());
}
