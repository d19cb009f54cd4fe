//! What is refused, and what its author is told.

use serde_json::{Value, json};

use super::build::*;
use crate::json::Json;
use crate::mutate::mutate;
use crate::world::{EnvFiles, World};

fn database() -> Bind {
    Bind::new("db").env("DB_USER", "username").file("db.json")
}

macro_rules! refused {
    ($pod:expr, $asked:expr, @$expected:literal) => {
        insta::assert_snapshot!(refusal(&$pod, &$asked), @$expected);
    };
}

fn mounted(volume: &Value, mount: &Value) -> Value {
    let pod = with(pod(), "/spec/volumes", json!([volume]));
    with(pod, "/spec/containers/0/volumeMounts", json!([mount]))
}

#[test]
fn an_unknown_container() {
    refused!(pod_with_init(&["migrate"]), ask([database().containers(&["app", "aqp"])]), @r#"unknown_container: Injection `db` names the container `aqp`, which the pod has not; it has `app`, `migrate`: correct `containers`"#);
    let pod = with(pod(), "/spec/ephemeralContainers", json!([{ "name": "debug" }]));
    refused!(pod, ask([database().containers(&["debug"])]), @r#"unknown_container: Injection `db` names the container `debug`, which the pod has not; it has `app`, and ephemeral containers get nothing: correct `containers`"#);
}

#[test]
fn a_container_that_cannot_be_told_from_another() {
    refused!(pod_of(&["app", "app"]), ask([database().containers(&["app"])]), @r#"same_name: two containers of the pod are named `app`: rename one"#);
}

#[test]
fn a_cluster_without_env_files() {
    let refusal_in = |env_files| {
        let world = World { env_files, ..world() };
        let error = mutate(&Json::of(&pod()), &ask([database()]), &world, &configuration()).unwrap_err();
        format!("{}: {error}", error.reason())
    };
    let what = "node `a`".to_owned();
    insta::assert_snapshot!(refusal_in(EnvFiles::TooOld { what, version: "v1.34.1".to_owned() }), @r#"env_files: Injection `db` has environment variables, which need Kubernetes 1.35 everywhere, and node `a` has v1.34.1: upgrade it, or write `env-method: exec` (`envMethod: exec` in an Injection)"#);
    insta::assert_snapshot!(refusal_in(EnvFiles::Unknown), @r#"env_files: Injection `db` has environment variables, which need Kubernetes 1.35 everywhere, and it is not known yet what this cluster has: upgrade it, or write `env-method: exec` (`envMethod: exec` in an Injection)"#);
    let world = World {
        env_files: EnvFiles::Unknown,
        ..world()
    };
    injected_in(&pod(), &ask([Bind::new("db").file("db.json")]), &world);
    injected_in(&pod(), &ask([database().exec()]), &world);
}

#[test]
fn an_unknown_server() {
    refused!(pod(), ask([database().server("north")]), @r#"unknown_server: Injection `db` names the server `north`, which is not configured here; there is `default`, `east`, `west`: set `server`"#);
}

#[test]
fn names_of_ours_in_a_pod_that_is_not_marked() {
    let named = |name: &str| with(pod(), "/spec/volumes", json!([{ "name": name, "emptyDir": {} }]));
    for name in ["esi-env", "esi-token", "esi-bin", "esi-db"] {
        let message = refusal(&named(name), &ask([database()]));
        assert!(
            message.starts_with(&format!("name_taken: the volume `{name}` ")),
            "{message}"
        );
    }
    injected(&named("esi-other"), &ask([database()]));
    refused!(named("esi-db"), ask([database()]), @r#"name_taken: the volume `esi-db` of the pod has a name that is kept for injection: rename it, and what refers to it"#);
    let driven = json!([{ "name": "esi-other", "csi": { "driver": "esi.csi.external-secrets.io" } }]);
    refused!(with(pod(), "/spec/volumes", driven), ask([database()]), @r#"name_taken: the volume `esi-other` of the pod has a name that is kept for injection: give it a name that does not start with `esi-`"#);
    refused!(pod_with_init(&["esi-init"]), ask([database()]), @r#"name_taken: the container `esi-init` of the pod has a name that is kept for injection: rename it"#);
    refused!(pod_of(&["esi-init"]), ask([database()]), @r#"name_taken: the container `esi-init` of the pod has a name that is kept for injection: rename it"#);
}

#[test]
fn what_refers_to_a_volume_of_ours() {
    let mount = json!([{ "name": "esi-db", "mountPath": "/mine" }]);
    refused!(with(pod(), "/spec/containers/0/volumeMounts", mount), ask([database()]), @r#"name_taken: the volume mount `esi-db` of the pod has a name that is kept for injection: remove it: containers are named in `containers`"#);
    let file = json!({ "volumeName": "esi-env", "path": "db.env", "key": "DB_USER" });
    let variable = json!([{ "name": "MINE", "valueFrom": { "fileKeyRef": file } }]);
    refused!(with(pod(), "/spec/containers/0/env", variable), ask([database()]), @r#"name_taken: the volume of a `fileKeyRef` `esi-env` of the pod has a name that is kept for injection: remove the variable: it is written here"#);
}

#[test]
fn a_binding_with_a_name_of_ours() {
    refused!(pod(), ask([Bind::new("env").file("x")]), @r#"reserved_binding: Injection `env`: the binding name `env` is kept for injection itself: choose another"#);
    refused!(pod(), ask([database(), database()]), @r#"same_binding: Injection `db`: the binding `db` is there twice: rename one"#);
    injected(&pod(), &ask([Bind::new("init").file("x")]));
}

#[test]
fn mount_paths_that_hide_one_another() {
    let asked = || ask([database().mount_path("/etc/db")]);
    let empty = json!({ "name": "v", "emptyDir": {} });
    refused!(mounted(&empty, &json!({ "name": "v", "mountPath": "/etc//db/" })), asked(), @r#"mount_path: Injection `db` puts its files at /etc/db in the container `app`, where another volume is mounted: set another mount path"#);
    refused!(mounted(&empty, &json!({ "name": "v", "mountPath": "/etc/db/x" })), asked(), @r#"mount_path: Injection `db` puts its files at /etc/db in the container `app`, where the volume at /etc/db/x would be mounted below, in what is read-only: set another mount path"#);
    refused!(mounted(&json!({ "name": "v", "configMap": {} }), &json!({ "name": "v", "mountPath": "/etc" })), asked(), @r#"mount_path: Injection `db` puts its files at /etc/db in the container `app`, where the read-only volume at /etc is around it, in which no directory can be made: set another mount path"#);
    injected(
        &mounted(&empty, &json!({ "name": "v", "mountPath": "/etc" })),
        &asked(),
    );
    let device = json!([{ "name": "d", "devicePath": "/etc/db" }]);
    refused!(with(pod(), "/spec/containers/0/volumeDevices", device), asked(), @r#"mount_path: Injection `db` puts its files at /etc/db in the container `app`, where a block device is: set another mount path"#);
    let below = Bind::new("other").file("x").mount_path("/etc/db/other");
    refused!(pod(), ask([database().mount_path("/etc/db"), below]), @r#"mount_path: Injection `other` puts its files at /etc/db/other in the container `app`, where Injection `db` puts its own, at /etc/db: set another mount path"#);
    let bin = Bind::new("db").env("A", "a").exec().mount_path("/esi/bin");
    refused!(pod(), ask([bin]), @r#"mount_path: Injection `db` puts its files at /esi/bin in the container `app`, where Injection `db` puts its own, at /esi/bin: set another mount path"#);
}

#[test]
fn one_variable_of_two_bindings() {
    let other = || Bind::new("other").env("DB_USER", "username");
    refused!(pod(), ask([database(), other()]), @r#"variable: Injection `other` and Injection `db` both set the variable `DB_USER` of the container `app`: rename one, or name different `containers`"#);
    refused!(pod(), ask([database(), other().exec()]), @r#"variable: Injection `other` and Injection `db` both set the variable `DB_USER` of the container `app`: rename one, or name different `containers`"#);
    injected(
        &pod_of(&["a", "b"]),
        &ask([database().containers(&["a"]), other().containers(&["b"])]),
    );
}

#[test]
fn an_init_container_that_runs_too_early() {
    let asked = || ask([database().containers(&["migrate"])]);
    refused!(pod_with_init(&["migrate", "istio-proxy!"]), asked(), @r#"too_early: Injection `db` names the init container `migrate`, which runs before esi-init: write `esi.external-secrets.io/init-position: before:migrate`"#);
    let pod = pod_with_init(&["migrate", "last"]);
    refused!(pod, at(after("last"), asked()), @r#"too_early: Injection `db` names the init container `migrate`, which runs before esi-init: write `esi.external-secrets.io/init-position: before:migrate`"#);
    injected(&pod, &at(before("migrate"), asked()));
    injected(
        &pod,
        &at(
            after("last"),
            ask([Bind::new("db").file("x").node().containers(&["migrate"])]),
        ),
    );
}

#[test]
fn a_position_beside_nobody() {
    refused!(pod_with_init(&["migrate"]), at(after("migrated"), ask([database()])), @r#"unknown_position: esi.external-secrets.io/init-position names the init container `migrated`, which the pod has not; it has `migrate`: write `first`, `before:NAME` or `after:NAME`"#);
    refused!(pod(), at(before("app"), ask([database()])), @r#"unknown_position: esi.external-secrets.io/init-position names the init container `app`, which the pod has not; it has none: write `first`, `before:NAME` or `after:NAME`"#);
}

#[test]
fn a_mesh_that_swallows_the_traffic() {
    refused!(pod_with_init(&["istio-validation"]), ask([database()]), @r#"mesh: Istio captures traffic before any init container runs, and its proxy starts only after them, so that esi-init could reach no server: run the proxy as a native sidecar, or exclude the server from capture with traffic.sidecar.istio.io/excludeOutboundPorts and write `esi.external-secrets.io/init-position: first`"#);
    let asked = at(crate::ask::Position::First, ask([database()]));
    injected(&pod_with_init(&["linkerd-network-validator"]), &asked);
    injected(&pod_with_init(&["kuma-validation"]), &ask([database().node()]));
}

#[test]
fn a_command_that_only_the_image_knows() {
    let asked = || ask([Bind::new("db").env("A", "a").exec()]);
    for command in [json!(null), json!([])] {
        let pod = with(pod(), "/spec/containers/0/command", command);
        assert!(refusal(&pod, &asked()).starts_with("no_command: "));
    }
    refused!(with(pod(), "/spec/containers/0/command", json!(null)), asked(), @r#"no_command: Injection `db` starts the command of the container `app` with its variables, and the container states none: write the image's own as `command: ["/path/of/the/program"]`"#);
    let wrapped = json!(["/esi/bin/esi-cli", "exec", "--", "/bin/shop"]);
    refused!(with(pod(), "/spec/containers/0/command", wrapped), asked(), @r#"wrapped: the command of the container `app` already starts with /esi/bin: remove it up to `--`, it is written here"#);
}

#[test]
fn deliveries_that_do_not_go_together() {
    refused!(pod(), in_memory(ask([database().node()])), @r#"together: Injection `db` asks for `delivery: node` together with `volume: emptydir`, which no daemon fills: write `delivery: init`"#);
    refused!(pod(), ask([Bind::new("db").env("A", "a").exec().node()]), @r#"together: Injection `db` asks for `delivery: node` together with `env-method: exec`, whose program the init container brings: write `delivery: init`"#);
}

#[test]
fn windows() {
    refused!(with(pod(), "/spec/os", json!({ "name": "windows" })), ask([database()]), @r#"windows: the pod runs on Windows, where credentials cannot be kept in memory: remove the annotations of esi.external-secrets.io from it"#);
    let selected = with(
        pod(),
        "/spec/nodeSelector",
        json!({ "kubernetes.io/os": "windows" }),
    );
    assert!(refusal(&selected, &ask([database()])).starts_with("windows: "));
    injected(
        &with(pod(), "/spec/os", json!({ "name": "linux" })),
        &ask([database()]),
    );
}

#[test]
fn more_than_a_pod_can_carry() {
    let many = |count: usize| (0..count).map(|index| Bind::new(&format!("b{index}")).file("x"));
    injected(&pod(), &ask(many(32)));
    refused!(pod(), ask(many(33)), @r#"too_much: bindings of the pod: 33, and at most 32 are taken: use fewer Injections"#);
    let template = "x".repeat(16 * 1024);
    let large = |name: &str| {
        (0..3).fold(Bind::new(name), |bind, index| {
            bind.template(&format!("{name}{index}"), &template)
        })
    };
    refused!(pod(), ask([large("a"), large("b"), large("c")]), @r#"too_much: bytes of the plans of all bindings: 148120, and at most 131008 are taken: use fewer or smaller ones"#);
    let names: Vec<String> = (0..200).map(|index| format!("c{index}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let variables = (0..100).fold(Bind::new("db"), |bind, index| bind.env(&format!("V{index}"), "x"));
    refused!(pod_of(&names), ask([variables]), @r#"too_much: variables and mounts for all containers: 8200, and at most 8192 are taken: name the `containers` that need them"#);
}

#[test]
fn pods_that_kubernetes_would_not_take_either() {
    let refused_at = |pointer: &str, value: Value| refusal(&with(pod(), pointer, value), &ask([database()]));
    for (pointer, value, place) in [
        ("/spec", json!(7), "pod.spec: it is no object"),
        ("/metadata", json!([]), "pod.metadata: it is no object"),
        (
            "/metadata/annotations",
            json!({ "a": 1 }),
            "pod.metadata.annotations: one of its values is no text: put it in quotes",
        ),
        (
            "/spec/containers",
            json!(null),
            "pod.spec.containers: there is none",
        ),
        (
            "/spec/containers",
            json!([]),
            "pod.spec.containers: there is none",
        ),
        (
            "/spec/containers",
            json!({}),
            "pod.spec.containers: it is no list",
        ),
        (
            "/spec/containers/0",
            json!("app"),
            "pod.spec.containers[0]: it is no object",
        ),
        (
            "/spec/containers/0/name",
            json!(null),
            "pod.spec.containers[0].name: there is none",
        ),
        (
            "/spec/containers/0/env",
            json!([{}]),
            "pod.spec.containers[0].env[0].name: there is none",
        ),
        (
            "/spec/containers/0/command",
            json!([1]),
            "pod.spec.containers[0].command: it is no list of texts",
        ),
        (
            "/spec/containers/0/volumeMounts",
            json!([{ "name": "v" }]),
            "pod.spec.containers[0].volumeMounts[0].mountPath: there is none",
        ),
        (
            "/spec/initContainers",
            json!([null]),
            "pod.spec.initContainers[0]: it is no object",
        ),
        (
            "/spec/volumes",
            json!([{ "emptyDir": {} }]),
            "pod.spec.volumes[0].name: there is none",
        ),
        (
            "/spec/securityContext/runAsUser",
            json!("root"),
            "pod.spec.securityContext.runAsUser: it is no number from 0 to 2147483647",
        ),
        (
            "/spec/containers/0/securityContext",
            json!({ "runAsUser": -1 }),
            "pod.spec.containers[0].securityContext.runAsUser: it is no number from 0 to 2147483647",
        ),
    ] {
        assert_eq!(
            refused_at(pointer, value),
            format!("malformed_pod: the pod is not as Kubernetes has it: {place}")
        );
    }
}

#[test]
fn text_of_users_is_cut_and_escaped() {
    let pod = with(
        pod(),
        "/spec/containers/0/name",
        json!("a\n\u{1b}[31m\u{202e}ä".to_owned() + &"x".repeat(10_000)),
    );
    let message = refusal(&pod, &ask([database().containers(&["app"])]));
    assert!(
        message.len() < 1000 && !message.contains(char::is_control) && message.contains('ä'),
        "{message}"
    );
}
