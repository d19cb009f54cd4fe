//! The whole patched pod, for each way of delivery.

use serde_json::json;

use super::build::*;

/// How a mark begins; no snapshot changes with a release.
const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), ":");

macro_rules! snapshot {
    ($name:literal, $pod:expr) => {
        insta::with_settings!({ prepend_module_to_snapshot => false, omit_expression => true }, {
            insta::assert_snapshot!($name, show(&$pod).replace(VERSION, "<version>:"));
        });
    };
}

fn database() -> Bind {
    Bind::new("db")
        .env("DB_USER", "username")
        .env("DB_PASS", "password")
        .file("db.json")
}

#[test]
fn delivery_init_with_files_and_variables() {
    snapshot!("init_files_and_variables", injected(&pod(), &ask([database()])));
}

#[test]
fn delivery_init_with_variables_only_mounts_nothing_in_the_application() {
    let patched = injected(&pod(), &ask([Bind::new("db").env("DB_USER", "username")]));
    assert_eq!(patched["spec"]["containers"][0]["volumeMounts"], json!(null));
    snapshot!("init_variables_only", patched);
}

#[test]
fn delivery_node_adds_no_container_and_mounts_everything_read_only() {
    let patched = injected(&pod(), &ask([database().node()]));
    assert_eq!(init_names(&patched), [""; 0]);
    assert_eq!(volume(&patched, "esi-token"), None);
    snapshot!("node_files_and_variables", patched);
}

#[test]
fn delivery_node_with_variables_only_mounts_empty_directories() {
    snapshot!(
        "node_variables_only",
        injected(&pod(), &ask([Bind::new("db").env("DB_USER", "username").node()]))
    );
}

#[test]
fn an_exec_binding_wraps_the_command_and_leaves_args() {
    let asked = ask([Bind::new("db").env("DB_USER", "username").file("db.json").exec()]);
    let patched = injected(&pod(), &asked);
    assert_eq!(
        patched["spec"]["containers"][0]["args"],
        pod()["spec"]["containers"][0]["args"]
    );
    snapshot!("exec", patched);
}

#[test]
fn probes_and_hooks_that_a_wrapped_command_leaves_without_variables_are_told() {
    let exec = json!({ "exec": { "command": ["/bin/check"] } });
    let pod = with(pod(), "/spec/containers/0/livenessProbe", exec.clone());
    let pod = with(
        pod,
        "/spec/containers/0/lifecycle",
        json!({ "preStop": exec, "postStart": { "sleep": {} } }),
    );
    let bind = || Bind::new("db").env("DB_USER", "username");
    let warnings = try_mutate(&pod, &ask([bind().exec()])).unwrap().warnings;
    assert_eq!(warnings.len(), 2, "{warnings:?}");
    assert!(
        warnings[0].starts_with("`livenessProbe` of the container `app`"),
        "{warnings:?}"
    );
    assert!(
        warnings[1].starts_with("`preStop` of the container `app`"),
        "{warnings:?}"
    );
    assert!(try_mutate(&pod, &ask([bind()])).unwrap().warnings.is_empty());
}

#[test]
fn all_keys_as_variables_wrap_the_command_too() {
    let asked = ask([Bind::new("db").exec().set("allKeys", true)]);
    let patched = injected(&pod(), &asked);
    assert_eq!(
        patched["spec"]["containers"][0]["command"],
        json!([
            "/esi/bin/esi-cli",
            "exec",
            "--environ",
            "/var/run/secrets/esi/db/.environ",
            "--",
            "/bin/shop"
        ])
    );
}

#[test]
fn two_exec_bindings_wrap_the_command_once() {
    let other = Bind::new("cache")
        .env("CACHE_PASS", "password")
        .exec()
        .mount_path("/etc/$(HOME)");
    let patched = injected(
        &pod(),
        &ask([Bind::new("db").env("DB_USER", "username").exec(), other]),
    );
    assert_eq!(
        patched["spec"]["containers"][0]["command"],
        json!([
            "/esi/bin/esi-cli",
            "exec",
            "--environ",
            "/var/run/secrets/esi/db/.environ",
            "--environ",
            "/etc/$$(HOME)/.environ",
            "--",
            "/bin/shop",
        ])
    );
}

#[test]
fn a_memory_volume_takes_the_drivers_place() {
    let asked = in_memory(ask([
        database(),
        Bind::new("only-variables").env("TOKEN", "token"),
    ]));
    let patched = injected(&pod(), &asked);
    assert_eq!(volume(&patched, "esi-only-variables"), None);
    snapshot!("memory_volume", patched);
}

#[test]
fn several_bindings_servers_and_containers() {
    let bindings = [
        database().containers(&["app"]),
        Bind::new("queue").env("QUEUE_URL", "url").server("east"),
        Bind::new("cache")
            .file("cache.json")
            .server("west")
            .containers(&["worker", "migrate"]),
        Bind::new("mail").file("mail.json").node().mount_path("/etc/mail"),
    ];
    let mut pod = pod_of(&["app", "worker"]);
    pod["spec"]["initContainers"] = json!([container("migrate"), container("other")]);
    snapshot!("several", injected(&pod, &ask(bindings)));
}

#[test]
fn lists_and_maps_that_are_missing_or_null_are_made() {
    let bare = json!({ "spec": { "containers": [{ "name": "app" }] } });
    let nulls = json!({
        "metadata": { "annotations": null, "labels": null },
        "spec": {
            "containers": [{ "name": "app", "env": null, "volumeMounts": null }], "initContainers": null, "volumes": null,
            "securityContext": null, "resources": null,
        },
    });
    let no_metadata = injected(&bare, &ask([database()]));
    assert_eq!(
        show(&no_metadata["spec"]["volumes"]),
        show(&injected(&nulls, &ask([database()]))["spec"]["volumes"])
    );
    let empty = json!({
        "metadata": { "annotations": {}, "labels": {} },
        "spec": { "containers": [{ "name": "app", "env": [], "volumeMounts": [] }], "initContainers": [], "volumes": [] },
    });
    injected(&empty, &ask([database()]));
}

#[test]
fn variables_come_before_the_containers_own_so_that_those_can_refer_to_them() {
    let own = json!([
        { "name": "PORT", "value": "80" },
        { "name": "DB_PASS", "value": "hunter2" },
        { "name": "URL", "value": "postgres://$(DB_USER):$(DB_PASS)@db" },
        { "name": "DB_PASS", "valueFrom": { "secretKeyRef": { "name": "db", "key": "pass" } } },
    ]);
    let pod = with(pod(), "/spec/containers/0/env", own);
    let mutation = try_mutate(&pod, &ask([database()])).unwrap();
    let env = apply(&pod, &mutation)["spec"]["containers"][0]["env"].clone();
    let names: Vec<&str> = env
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| entry["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["DB_USER", "DB_PASS", "PORT", "URL"]);
    assert_eq!(
        mutation.warnings,
        ["the variable `DB_PASS` of the container `app` is replaced by the injected one"]
    );
}

#[test]
fn env_from_and_whatever_else_a_container_has_stays() {
    let mut pod = with(
        pod(),
        "/spec/containers/0/envFrom",
        json!([{ "secretRef": { "name": "all" } }]),
    );
    pod = with(pod, "/spec/containers/0/newerThanThis", json!({ "a": [1, null] }));
    pod = with(pod, "/spec/alsoNewer", json!([[]]));
    let patched = injected(&pod, &ask([database()]));
    for pointer in [
        "/spec/containers/0/envFrom",
        "/spec/containers/0/newerThanThis",
        "/spec/alsoNewer",
    ] {
        assert_eq!(patched.pointer(pointer), pod.pointer(pointer));
    }
}

#[test]
fn dollar_signs_in_plans_survive_kubernetes_expansion() {
    let asked = ask([Bind::new("db").template("URL", "$(HOME) $$ {{ username }}")]);
    let patched = injected(&pod(), &asked);
    let plans = init_of(&patched)["env"][0]["value"].as_str().unwrap();
    assert!(plans.contains("$$(HOME) $$$$ {{ username }}"), "{plans}");
    // kubelet does not expand the attributes of volumes.
    let attribute = volume(&patched, "esi-db").unwrap()["csi"]["volumeAttributes"]["plan"]
        .as_str()
        .unwrap();
    assert!(attribute.contains("$(HOME) $$ {{ username }}"), "{attribute}");
}

#[test]
fn a_token_for_each_audience_and_no_other_container_has_it() {
    let asked = ask([
        Bind::new("a").env("A", "a"),
        Bind::new("b").env("B", "b").server("east"),
        Bind::new("c").env("C", "c").server("west"),
    ]);
    let patched = injected(&pod(), &asked);
    assert_eq!(
        volume(&patched, "esi-token").unwrap()["projected"]["sources"],
        json!([
            { "serviceAccountToken": { "audience": "esi", "expirationSeconds": 600, "path": "token-default" } },
            { "serviceAccountToken": { "audience": "esi-east", "expirationSeconds": 600, "path": "token-east" } },
        ])
    );
    let servers: serde_json::Value =
        serde_json::from_str(init_of(&patched)["env"][1]["value"].as_str().unwrap()).unwrap();
    assert_eq!(servers["west"]["tokenFile"], "/var/run/esi/token-default");
    assert_eq!(servers["east"]["tokenFile"], "/var/run/esi/token-east");
}

#[test]
fn two_hundred_containers_get_theirs() {
    let names: Vec<String> = (0..200).map(|index| format!("c{index}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let patched = injected(&pod_of(&names), &ask([database()]));
    let served = patched["spec"]["containers"].as_array().unwrap();
    assert!(
        served
            .iter()
            .all(|container| container["env"].as_array().unwrap().len() == 2)
    );
}

#[test]
fn a_pod_without_a_token_of_its_service_account_gets_ours_in_the_init_container_only() {
    let pod = with(pod(), "/spec/automountServiceAccountToken", json!(false));
    let patched = injected(&pod, &ask([database()]));
    assert_eq!(patched["spec"]["automountServiceAccountToken"], json!(false));
    assert!(volume(&patched, "esi-token").is_some());
    assert!(!show(&patched["spec"]["containers"]).contains("esi-token"));
}

#[test]
fn a_pod_that_shares_no_user_namespace_with_its_node_is_no_different() {
    let pod = with(pod(), "/spec/hostUsers", json!(false));
    let patched = injected(&pod, &ask([database()]));
    assert_eq!(patched["spec"]["hostUsers"], json!(false));
    let context = &init_of(&patched)["securityContext"];
    assert_eq!(
        (&context["runAsNonRoot"], &context["runAsUser"]),
        (&json!(true), &json!(1000))
    );
}

#[test]
fn a_mirror_pod_is_left_alone() {
    let pod = with(
        pod(),
        "/metadata/annotations",
        json!({ "kubernetes.io/config.mirror": "x" }),
    );
    assert!(try_mutate(&pod, &ask([database()])).unwrap().patch.is_empty());
}
