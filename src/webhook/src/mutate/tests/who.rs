//! Who runs, who reads, what is asked for, and in which order.

use serde_json::{Value, json};

use super::build::*;
use crate::ask::Position;
use crate::world::World;

fn files() -> Bind {
    Bind::new("db").file("db.json")
}

fn plan_of(pod: &Value) -> Value {
    let plans = init_of(pod)["env"][0]["value"].as_str().unwrap();
    serde_json::from_str::<Value>(plans).unwrap()[0].clone()
}

fn user_of(pod: &Value) -> (&Value, &Value) {
    let security = &init_of(pod)["securityContext"];
    (&security["runAsUser"], &security["runAsGroup"])
}

#[test]
fn the_init_container_runs_as_its_readers_where_they_are_one() {
    let pod = with(
        pod(),
        "/spec/containers/0/securityContext",
        json!({ "runAsUser": 7, "runAsGroup": 8 }),
    );
    let patched = injected(&pod, &ask([files()]));
    assert_eq!(user_of(&patched), (&json!(7), &json!(8)));
    assert_eq!(plan_of(&patched)["files"][0]["mode"], json!(null));
    assert_eq!(
        volume(&patched, "esi-db").unwrap()["csi"]["volumeAttributes"]["uid"],
        json!("7")
    );
}

#[test]
fn readers_of_which_nothing_is_known_read_what_everybody_may() {
    for security in [json!(null), json!({ "runAsUser": 0 })] {
        let pod = with(pod(), "/spec/securityContext", security);
        let patched = injected(&pod, &ask([files()]));
        assert_eq!(user_of(&patched).0, &json!(65532));
        assert_eq!(plan_of(&patched)["files"][0]["mode"], json!("0444"));
    }
}

#[test]
fn two_readers_that_differ_are_as_unknown() {
    let pod = with(
        pod_of(&["app", "worker"]),
        "/spec/containers/1/securityContext",
        json!({ "runAsUser": 7 }),
    );
    let patched = injected(&pod, &ask([files()]));
    assert_eq!(user_of(&patched).0, &json!(65532));
    let only_one = injected(&pod, &ask([files().containers(&["worker"])]));
    assert_eq!(user_of(&only_one).0, &json!(7));
}

#[test]
fn a_group_of_the_pod_is_enough_to_read() {
    let pod = with(pod(), "/spec/securityContext", json!({ "fsGroup": 2000 }));
    let patched = injected(&pod, &ask([files()]));
    assert_eq!(user_of(&patched).0, &json!(65532));
    assert_eq!(plan_of(&patched)["files"][0]["mode"], json!(null));
}

#[test]
fn variables_of_an_exec_binding_are_as_readable_as_files() {
    let pod = with(pod(), "/spec/securityContext", json!(null));
    let patched = injected(&pod, &ask([Bind::new("db").env("A", "a").exec()]));
    assert_eq!(plan_of(&patched)["envMode"], json!("0444"));
}

#[test]
fn stated_permissions_that_shut_readers_out_are_told() {
    let asked = ask([Bind::new("db")
        .file_with_mode("a", "0400")
        .file_with_mode("b", "0444")]);
    let unknown = with(pod(), "/spec/securityContext", json!(null));
    let warnings = try_mutate(&unknown, &asked).unwrap().warnings;
    assert_eq!(
        warnings,
        [
            "Injection `db`: the file `a` has mode 0400, and containers may not run as its owner: set `runAsUser` or \
          `fsGroup` in the pod, or leave the mode out"
        ]
    );
    assert_eq!(try_mutate(&pod(), &asked).unwrap().warnings, [""; 0]);
}

#[test]
fn a_node_delivered_volume_belongs_to_its_own_readers() {
    let pod = with(
        pod_of(&["app", "worker"]),
        "/spec/containers/1/securityContext",
        json!({ "runAsUser": 7 }),
    );
    let patched = injected(
        &pod,
        &ask([
            files().node(),
            Bind::new("one").file("x").node().containers(&["worker"]),
            Bind::new("two").file("x").node().containers(&["app"]),
        ]),
    );
    let uid = |name| volume(&patched, name).unwrap()["csi"]["volumeAttributes"]["uid"].clone();
    assert_eq!(
        (uid("esi-db"), uid("esi-one"), uid("esi-two")),
        (json!(null), json!("7"), json!("1000"))
    );
}

#[test]
fn the_quality_of_service_class_stays() {
    let all = |cpu: &str, memory: &str| json!({ "cpu": cpu, "memory": memory });
    let ours = all("10m", "16Mi");
    let cases = [
        (json!({}), json!(null)),
        (json!({ "limits": { "nvidia.com/gpu": 1 } }), json!(null)),
        (
            json!({ "limits": all("1", "1Gi") }),
            json!({ "limits": ours, "requests": ours }),
        ),
        (
            json!({ "limits": all("1", "1Gi"), "requests": all("1000m", "1024Mi") }),
            json!({ "limits": ours, "requests": ours }),
        ),
        (
            json!({ "limits": all("1", "1Gi"), "requests": all("500m", "1Gi") }),
            json!({ "limits": ours, "requests": ours }),
        ),
        (
            json!({ "requests": { "cpu": "1" }, "limits": { "memory": "1Gi" } }),
            json!({ "limits": { "memory": "16Mi" }, "requests": ours }),
        ),
    ];
    for (theirs, expected) in cases {
        let pod = with(pod(), "/spec/containers/0/resources", theirs.clone());
        assert_eq!(
            init_of(&injected(&pod, &ask([files()])))["resources"],
            expected,
            "{theirs}"
        );
    }
}

#[test]
fn a_pod_with_resources_of_its_own_gets_none_for_the_init_container() {
    let mut pod = with(
        pod(),
        "/spec/resources",
        json!({ "limits": { "cpu": "1", "memory": "1Gi" } }),
    );
    pod = with(
        pod,
        "/spec/containers/0/resources",
        json!({ "requests": { "cpu": "1" } }),
    );
    assert_eq!(
        init_of(&injected(&pod, &ask([files()])))["resources"],
        json!(null)
    );
}

#[test]
fn in_a_pod_that_never_restarts_the_init_container_does() {
    let job = with(pod(), "/spec/restartPolicy", json!("Never"));
    assert_eq!(
        init_of(&injected(&job, &ask([files()])))["restartPolicy"],
        json!("OnFailure")
    );
    assert_eq!(
        init_of(&injected(&pod(), &ask([files()])))["restartPolicy"],
        json!(null)
    );
    let old = World {
        restart_rules: false,
        ..world()
    };
    assert_eq!(
        init_of(&injected_in(&job, &ask([files()]), &old))["restartPolicy"],
        json!(null)
    );
}

#[test]
fn the_init_container_is_first_unless_the_pod_says_otherwise() {
    let pod = pod_with_init(&["a", "b"]);
    let order = |position| {
        let asked = match position {
            Some(position) => at(position, ask([files()])),
            None => ask([files()]),
        };
        init_names(&injected(&pod, &asked)).join(" ")
    };
    assert_eq!(order(None), "esi-init a b");
    assert_eq!(order(Some(Position::First)), "esi-init a b");
    assert_eq!(order(Some(before("b"))), "a esi-init b");
    assert_eq!(order(Some(after("b"))), "a b esi-init");
}

#[test]
fn the_init_container_follows_a_meshs_native_sidecar() {
    for proxy in [
        "istio-proxy!",
        "linkerd-proxy!",
        "kuma-sidecar!",
        "consul-dataplane!",
    ] {
        let pod = pod_with_init(&["istio-validation", proxy, "migrate"]);
        let patched = injected(&pod, &ask([files()]));
        assert_eq!(init_names(&patched)[2], "esi-init", "{proxy}");
    }
    let another = pod_with_init(&["logs!", "migrate"]);
    assert_eq!(init_names(&injected(&another, &ask([files()])))[0], "esi-init");
}

#[test]
fn a_mesh_that_captures_traffic_later_is_no_obstacle() {
    let pod = pod_with_init(&["istio-init"]);
    assert_eq!(
        init_names(&injected(&pod, &ask([files()]))),
        ["esi-init", "istio-init"]
    );
}

#[test]
fn a_meshs_proxy_is_no_application_container_unless_named() {
    let pod = pod_of(&["app", "istio-proxy"]);
    let patched = injected(&pod, &ask([files()]));
    assert_eq!(patched["spec"]["containers"][1], pod["spec"]["containers"][1]);
    let named = injected(&pod, &ask([files().containers(&["istio-proxy"])]));
    assert_ne!(named["spec"]["containers"][1], pod["spec"]["containers"][1]);
    let gateway = pod_of(&["istio-proxy"]);
    assert_ne!(
        injected(&gateway, &ask([files()]))["spec"]["containers"][0],
        gateway["spec"]["containers"][0]
    );
}

#[test]
fn init_containers_and_native_sidecars_get_theirs_only_by_name() {
    let pod = pod_with_init(&["migrate", "proxy!"]);
    let all = injected(&pod, &ask([files()]));
    assert_eq!(all["spec"]["initContainers"][1], pod["spec"]["initContainers"][0]);
    let named = injected(&pod, &ask([files().containers(&["migrate", "proxy"])]));
    for index in [1, 2] {
        assert_eq!(
            named["spec"]["initContainers"][index]["volumeMounts"][0]["name"],
            json!("esi-db")
        );
    }
    assert_eq!(named["spec"]["containers"][0]["volumeMounts"], json!(null));
}
