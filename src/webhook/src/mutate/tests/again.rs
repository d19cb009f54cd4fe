//! Pods that come again: on reinvocation, after others changed them, as copies.

use serde_json::{Value, json};

use super::build::*;
use crate::ask::Asked;
use crate::config::Configuration;
use crate::json::Json;
use crate::mutate::mutate;

fn everything() -> Asked {
    ask([
        Bind::new("db").env("DB_USER", "username").file("db.json"),
        Bind::new("queue")
            .env("QUEUE", "url")
            .exec()
            .mount_path("/etc/queue"),
        Bind::new("mail").env("MAIL", "mail").node(),
        Bind::new("cache").file("x").containers(&["migrate"]),
    ])
}

fn shop() -> Value {
    pod_with_init(&["migrate"])
}

fn push(pod: &mut Value, pointer: &str, value: Value) {
    pod.pointer_mut(pointer)
        .unwrap()
        .as_array_mut()
        .unwrap()
        .push(value);
}

fn is_left_alone(pod: &Value, asked: &Asked) -> bool {
    try_mutate(pod, asked).unwrap().patch.is_empty()
}

#[test]
fn what_others_add_afterwards_changes_nothing() {
    let mut pod = injected(&shop(), &everything());
    push(&mut pod, "/spec/containers", container("sidecar"));
    push(
        &mut pod,
        "/spec/volumes",
        json!({ "name": "theirs", "emptyDir": {} }),
    );
    push(
        &mut pod,
        "/spec/containers/0/env",
        json!({ "name": "THEIRS", "value": "1" }),
    );
    push(
        &mut pod,
        "/spec/containers/0/volumeMounts",
        json!({ "name": "theirs", "mountPath": "/theirs" }),
    );
    pod["spec"]["initContainers"]
        .as_array_mut()
        .unwrap()
        .insert(0, container("theirs"));
    pod["metadata"]["labels"]["theirs"] = json!("1");
    pod["spec"]["initContainers"][1]["resources"] = json!({ "limits": { "cpu": "1" } });
    pod["spec"]["initContainers"][1]["terminationMessagePath"] = json!("/dev/termination-log");
    pod["spec"]["volumes"][0]["csi"]["fsType"] = json!("");
    assert!(is_left_alone(&pod, &everything()));
}

#[test]
fn a_copy_that_runs_as_somebody_else_can_read_its_files() {
    let asks = [
        ask([Bind::new("db").file("db.json")]),
        ask([Bind::new("db").file("db.json").node()]),
        in_memory(ask([Bind::new("db").file("db.json")])),
    ];
    for asked in asks {
        let anew = with(pod(), "/spec/securityContext/runAsUser", json!(2000));
        let copy = with(
            injected(&pod(), &asked),
            "/spec/securityContext/runAsUser",
            json!(2000),
        );
        assert_eq!(show(&injected(&copy, &asked)), show(&injected(&anew, &asked)));
    }
}

#[test]
fn a_mesh_that_came_afterwards_and_swallows_the_traffic_is_refused() {
    let mut pod = injected(&pod(), &ask([Bind::new("db").file("x")]));
    pod["spec"]["initContainers"]
        .as_array_mut()
        .unwrap()
        .insert(0, container("istio-validation"));
    assert!(refusal(&pod, &ask([Bind::new("db").file("x")])).starts_with("mesh: "));
}

#[test]
fn a_part_that_is_gone_is_put_back() {
    let whole = injected(&shop(), &everything());
    let lost = [
        "/spec/containers/0/volumeMounts/0",
        "/spec/containers/0/env/0",
        "/spec/containers/0/command/0",
        "/spec/initContainers/0",
        "/spec/initContainers/1/volumeMounts/0",
        "/spec/volumes/0",
        "/metadata/labels/esi.external-secrets.io~1injected",
    ];
    for pointer in lost {
        let (above, key) = pointer.rsplit_once('/').unwrap();
        let mut pod = whole.clone();
        match pod.pointer_mut(above).unwrap() {
            Value::Array(list) => drop(list.remove(key.parse().unwrap())),
            above => drop(
                above
                    .as_object_mut()
                    .unwrap()
                    .remove("esi.external-secrets.io/injected"),
            ),
        }
        if pointer.contains("command") {
            // What is left of the wrapping is no command of the pod's.
            pod["spec"]["containers"][0]["command"] = json!(["/bin/shop"]);
        }
        assert_eq!(show(&injected(&pod, &everything())), show(&whole), "{pointer}");
    }
}

#[test]
fn a_mount_that_can_write_is_not_in_place() {
    let whole = injected(&shop(), &everything());
    let pod = with(
        whole.clone(),
        "/spec/containers/0/volumeMounts/0/readOnly",
        json!(false),
    );
    assert_eq!(show(&injected(&pod, &everything())), show(&whole));
    let mut pod = whole.clone();
    push(
        &mut pod,
        "/spec/containers/0/volumeMounts",
        json!({ "name": "esi-token", "mountPath": "/stolen" }),
    );
    assert_eq!(show(&injected(&pod, &everything())), show(&whole));
}

#[test]
fn a_copy_that_asks_for_something_else_gets_exactly_that() {
    let other = [
        ask([Bind::new("db").env("DB_USER", "username")]),
        ask([Bind::new("other").file("x").node()]),
        in_memory(ask([Bind::new("db").file("x"), Bind::new("more").file("x")])),
        ask([Bind::new("queue")
            .env("QUEUE", "url")
            .exec()
            .mount_path("/etc/elsewhere")]),
        everything(),
    ];
    for first in &other {
        for second in &other {
            let fresh = injected(&shop(), second);
            let copied = injected(&injected(&shop(), first), second);
            assert_eq!(show(&pruned(&copied)), show(&pruned(&fresh)));
        }
    }
}

#[test]
fn a_change_of_the_configuration_reaches_a_copy() {
    let old = injected(&shop(), &everything());
    let mut configuration = configuration();
    configuration.init.image = "registry.example/esi-cli:0.2.0".to_owned();
    let mutation = mutate(&Json::of(&old), &everything(), &world(), &configuration).unwrap();
    assert_eq!(
        init_of(&apply(&old, &mutation))["image"],
        json!("registry.example/esi-cli:0.2.0")
    );
}

#[test]
fn the_hash_is_of_everything_that_decides() {
    let mark = |asked: &Asked, configuration: &Configuration, restart_rules| {
        let world = crate::world::World {
            restart_rules,
            ..world()
        };
        let mutation = mutate(&Json::of(&shop()), asked, &world, configuration).unwrap();
        apply(&shop(), &mutation)["metadata"]["annotations"]["esi.external-secrets.io/injected"].to_string()
    };
    let configured = |change: fn(&mut Configuration)| {
        let mut configuration = configuration();
        change(&mut configuration);
        configuration
    };
    let base = || Bind::new("db").file("x");
    let plain = configuration();
    let mut marks = vec![
        mark(&ask([base()]), &plain, true),
        mark(&ask([base()]), &plain, false),
        mark(&ask([base().node()]), &plain, true),
        mark(&ask([base().mount_path("/x")]), &plain, true),
        mark(&ask([base().containers(&["app"])]), &plain, true),
        mark(&ask([base().server("east")]), &plain, true),
        mark(&ask([base().set("ttl", "1h")]), &plain, true),
        mark(&in_memory(ask([base()])), &plain, true),
        mark(&at(crate::ask::Position::First, ask([base()])), &plain, true),
        mark(&at(before("migrate"), ask([base()])), &plain, true),
        mark(&at(after("migrate"), ask([base()])), &plain, true),
        mark(&ask([base()]), &configured(|c| c.init.image.push('x')), true),
        mark(
            &ask([base()]),
            &configured(|c| c.init.image_pull_policy = Some("Always".to_owned())),
            true,
        ),
        mark(&ask([base()]), &configured(|c| c.init.run_as_user = 7), true),
        mark(&ask([base()]), &configured(|c| c.init.cpu.push('0')), true),
        mark(&ask([base()]), &configured(|c| c.init.deadline *= 2), true),
        mark(&ask([base()]), &configured(|c| c.init.token_lifetime *= 2), true),
        mark(
            &ask([base()]),
            &configured(|c| c.servers.values_mut().for_each(|s| s.ca.push('x'))),
            true,
        ),
    ];
    let all = marks.len();
    marks.sort();
    marks.dedup();
    assert_eq!(marks.len(), all);
    assert_eq!(
        mark(&ask([base()]), &plain, true),
        mark(&ask([base()]), &plain, true)
    );
}

#[test]
fn a_forged_mark_takes_nothing_from_the_pod_that_is_not_ours() {
    let mut pod = with(
        shop(),
        "/spec/volumes",
        json!([{ "name": "esi-mine", "emptyDir": {} }]),
    );
    pod = with(
        pod,
        "/spec/containers/0/volumeMounts",
        json!([{ "name": "esi-mine", "mountPath": "/mine" }]),
    );
    pod["metadata"]["annotations"]["esi.external-secrets.io/injected"] = json!("0.1.0:0123456789abcdef");
    let patched = injected(&pod, &everything());
    assert_eq!(
        volume(&patched, "esi-mine"),
        Some(&json!({ "name": "esi-mine", "emptyDir": {} }))
    );
    assert_eq!(
        patched["spec"]["containers"][0]["volumeMounts"][0]["mountPath"],
        json!("/mine")
    );
}
