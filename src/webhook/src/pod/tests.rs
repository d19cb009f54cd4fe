use serde_json::{Value, json};

use super::*;
use crate::json::Json;

#[test]
fn null_is_absent() {
    let pod = json!({
        "metadata": null,
        "spec": { "containers": [{ "name": "app", "env": null, "volumeMounts": null, "command": null }], "volumes": null },
    });
    let pod = Json::of(&pod);
    let pod = Pod::read(pod.root()).unwrap();
    assert!(!pod.has_metadata && pod.volumes.is_none() && pod.annotation("a").is_none());
    let app = pod.application().next().unwrap();
    assert!(!app.has_env() && !app.has_mounts() && app.command.is_none());
}

#[test]
fn a_container_says_who_it_runs_as_before_its_pod_does() {
    let pod = json!({ "spec": {
        "securityContext": { "runAsUser": 1, "runAsGroup": 2, "fsGroup": 3 },
        "containers": [{ "name": "a" }, { "name": "b", "securityContext": { "runAsUser": 0 } }],
    } });
    let pod = Json::of(&pod);
    let pod = Pod::read(pod.root()).unwrap();
    let users: Vec<_> = pod
        .containers
        .iter()
        .map(|container| pod.user_of(container))
        .collect();
    assert_eq!(users, [Some(1), Some(0)]);
    assert_eq!(
        (pod.group_of(&pod.containers[0]), pod.fs_group),
        (Some(2), Some(3))
    );
}

#[test]
fn only_an_init_container_can_be_a_native_sidecar() {
    let always = |name: &str| json!({ "name": name, "restartPolicy": "Always" });
    let pod = json!({ "spec": { "containers": [always("app")], "initContainers": [always("proxy"), { "name": "migrate" }] } });
    let pod = Json::of(&pod);
    let pod = Pod::read(pod.root()).unwrap();
    let sidecars: Vec<_> = pod
        .containers
        .iter()
        .filter(|c| c.sidecar)
        .map(|c| c.name)
        .collect();
    assert_eq!(sidecars, ["proxy"]);
}

#[test]
fn whatever_is_no_object_is_no_pod() {
    for value in [json!(null), json!(1), json!("pod"), json!([]), Value::Bool(true)] {
        assert_eq!(
            Pod::read(Json::of(&value).root()).unwrap_err().to_string(),
            "pod: it is no object"
        );
    }
    assert_eq!(
        Pod::read(Json::of(&json!({})).root()).unwrap_err().to_string(),
        "pod.spec: there is none"
    );
}

#[test]
fn a_pod_states_resources_of_its_own_only_with_an_amount() {
    let states = |resources: Value| {
        let pod = json!({ "spec": { "containers": [{ "name": "app" }], "resources": resources } });
        Pod::read(Json::of(&pod).root()).unwrap().has_own_resources
    };
    assert!(states(json!({ "limits": { "memory": "1Gi" } })));
    for none in [
        json!(null),
        json!({}),
        json!({ "limits": {} }),
        json!({ "limits": { "memory": null } }),
    ] {
        assert!(!states(none.clone()), "{none}");
    }
}
