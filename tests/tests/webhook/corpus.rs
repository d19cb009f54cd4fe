//! Pods of many shapes: what the webhook makes of each passes the API server's own validation, and a second time
//! changes nothing. The API server is the judge.

use std::iter;

use rstest::rstest;
use serde_json::{Value, json};

use super::pods::{MARK, inline, names, pod, refusal};
use super::server;

const PREFIX: &str = "esi.external-secrets.io/";

/// A pod that asks for a file, changed.
fn with(change: impl Fn(&mut Value)) -> Value {
    let mut pod = pod("app", &inline());
    change(&mut pod);
    pod
}

fn annotate(pod: &mut Value, key: &str, value: &str) {
    pod["metadata"]["annotations"][format!("{PREFIX}{key}")] = json!(value);
}

fn container(pod: &mut Value) -> &mut Value {
    &mut pod["spec"]["containers"][0]
}

/// A container like the pod's own.
fn another(pod: &Value, name: &str) -> Value {
    let mut other = pod["spec"]["containers"][0].clone();
    other["name"] = json!(name);
    other
}

#[rstest]
#[case::plain(with(|_| {}))]
#[case::with_a_generated_name(with(|pod| {
    pod["metadata"] = json!({ "generateName": "app-", "annotations": pod["metadata"]["annotations"] });
}))]
#[case::of_a_job(with(|pod| pod["spec"]["restartPolicy"] = json!("Never")))]
#[case::that_restarts_on_failure(with(|pod| pod["spec"]["restartPolicy"] = json!("OnFailure")))]
#[case::without_an_account_token(with(|pod| pod["spec"]["automountServiceAccountToken"] = json!(false)))]
#[case::in_a_user_namespace(with(|pod| pod["spec"]["hostUsers"] = json!(false)))]
#[case::with_a_group_for_its_files(with(|pod| pod["spec"]["securityContext"]["fsGroup"] = json!(2000)))]
#[case::of_several_users(with(|pod| {
    let mut other = another(pod, "other");
    other["securityContext"]["runAsUser"] = json!(1001);
    pod["spec"]["containers"].as_array_mut().unwrap().push(other);
}))]
#[case::of_an_unknown_user(with(|pod| {
    pod["spec"]["securityContext"].as_object_mut().unwrap().remove("runAsUser");
}))]
#[case::with_resources(with(|pod| {
    container(pod)["resources"] = json!({ "requests": { "cpu": "100m" }, "limits": { "memory": "1Gi" } });
}))]
#[case::with_resources_of_the_pod(with(|pod| {
    pod["spec"]["resources"] = json!({ "requests": { "cpu": "1", "memory": "1Gi" }, "limits": { "cpu": "1", "memory": "1Gi" } });
}))]
#[case::with_init_containers(with(|pod| {
    pod["spec"]["initContainers"] = json!([another(pod, "migrate"), another(pod, "warm")]);
}))]
#[case::with_a_native_sidecar(with(|pod| {
    let mut sidecar = another(pod, "log");
    sidecar["restartPolicy"] = json!("Always");
    pod["spec"]["initContainers"] = json!([sidecar]);
}))]
#[case::for_a_native_sidecar_and_an_init_container(with(|pod| {
    let mut sidecar = another(pod, "log");
    sidecar["restartPolicy"] = json!("Always");
    pod["spec"]["initContainers"] = json!([another(pod, "migrate"), sidecar]);
    annotate(pod, "containers", "migrate,log,app");
}))]
#[case::with_a_mesh_as_native_sidecar(with(|pod| {
    let mut proxy = another(pod, "istio-proxy");
    proxy["restartPolicy"] = json!("Always");
    pod["spec"]["initContainers"] = json!([proxy]);
}))]
#[case::at_a_place_of_its_own(with(|pod| {
    pod["spec"]["initContainers"] = json!([another(pod, "one"), another(pod, "two")]);
    annotate(pod, "init-position", "after:one");
}))]
#[case::filled_by_the_node(with(|pod| annotate(pod, "delivery", "node")))]
#[case::without_the_driver(with(|pod| annotate(pod, "volume", "emptydir")))]
#[case::with_all_keys_as_variables(with(|pod| {
    annotate(pod, "env", "*");
    annotate(pod, "env-method", "exec");
    container(pod)["command"] = json!(["/bin/app", "--flag"]);
    container(pod)["args"] = json!(["$(NOT_EXPANDED)", "a b"]);
}))]
#[case::with_a_long_life(with(|pod| {
    annotate(pod, "ttl", "24h");
    annotate(pod, "overlap", "5m");
}))]
#[case::with_files_of_every_form(with(|pod| {
    annotate(pod, "files", "a.json=json,b/c.env=dotenv,password=.password");
    annotate(pod, "mount-path", "/etc/db");
}))]
#[case::with_volumes_and_mounts(with(|pod| {
    pod["spec"]["volumes"] = json!([{ "name": "data", "emptyDir": {} }]);
    container(pod)["volumeMounts"] = json!([{ "name": "data", "mountPath": "/data" }]);
}))]
#[case::with_restart_rules(with(|pod| {
    let rule = json!({ "action": "Restart", "exitCodes": { "operator": "In", "values": [42] } });
    pod["spec"]["restartPolicy"] = json!("Never");
    container(pod)["restartPolicy"] = json!("Never");
    container(pod)["restartPolicyRules"] = json!([rule]);
}))]
#[case::of_two_hundred_containers(with(|pod| {
    let others: Vec<Value> = (1..200).map(|n| another(pod, &format!("app-{n}"))).collect();
    pod["spec"]["containers"].as_array_mut().unwrap().extend(others);
}))]
#[case::of_the_original(pod("app", &[
    ("secretless.externalsecrets.com/file-secrets", "true"),
    ("secretless.externalsecrets.com/externalsecret", "ignored"),
    ("secretless.externalsecrets.com/federated-server-url", "https://esi-federation.esi-system.svc:8443"),
    ("secretless.externalsecrets.com/federated-generators", "Fake/platform/shop"),
    ("secretless.externalsecrets.com/inject-on-file", "/etc/db/password=shop.password"),
]))]
#[tokio::test]
async fn the_api_server_takes_it(#[case] asks: Value) {
    let restricted = [("pod-security.kubernetes.io/enforce", "restricted")];
    let namespace = server::shared().await.namespace(&restricted).await.unwrap();
    let stored = namespace.create(&asks).await.unwrap();
    assert!(stored["metadata"]["annotations"][MARK].is_string());

    // What was stored, made again.
    let mut again = json!({ "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "again" } });
    for field in ["annotations", "labels"] {
        again["metadata"][field] = stored["metadata"][field].clone();
    }
    again["spec"] = stored["spec"].clone();
    let twice = namespace.create(&again).await.unwrap();
    assert_eq!(twice["spec"], stored["spec"]);
    assert_eq!(
        twice["metadata"]["annotations"],
        stored["metadata"]["annotations"]
    );

    untouched(&asks, &stored);
}

/// Everything of the pod is still there: its containers in their order, its volumes, its own fields.
fn untouched(asks: &Value, stored: &Value) {
    let own = |list: &Value| -> Vec<String> {
        let names = names(list).into_iter();
        names
            .filter(|name| !name.starts_with("esi-") && !name.starts_with("kube-api-access-"))
            .collect()
    };
    for list in ["initContainers", "containers", "volumes"] {
        assert_eq!(own(&stored["spec"][list]), own(&asks["spec"][list]), "{list}");
    }
    let asked = asks["spec"]["containers"].as_array().unwrap();
    for (asked, stored) in iter::zip(asked, stored["spec"]["containers"].as_array().unwrap()) {
        for field in [
            "image",
            "args",
            "securityContext",
            "resources",
            "restartPolicyRules",
        ] {
            if !asked[field].is_null() {
                assert!(
                    includes(&stored[field], &asked[field]),
                    "{field}: {}",
                    stored[field]
                );
            }
        }
    }
}

/// Whether all of `part` is in `whole`, to which defaults may have been added.
fn includes(whole: &Value, part: &Value) -> bool {
    match (whole, part) {
        (Value::Object(whole), Value::Object(part)) => part
            .iter()
            .all(|(key, part)| whole.get(key).is_some_and(|whole| includes(whole, part))),
        _ => whole == part,
    }
}

#[rstest]
#[case::on_windows(with(|pod| pod["spec"] = json!({
    "os": { "name": "windows" }, "containers": [{ "name": "app", "image": "app:1" }]
})), "Windows")]
#[case::for_an_unknown_container(with(|pod| annotate(pod, "containers", "ap")), "which the pod has not; it has")]
#[case::with_our_volume(with(|pod| {
    pod["spec"]["volumes"] = json!([{ "name": "esi-default", "emptyDir": {} }]);
}), "kept for injection")]
#[case::with_our_container(with(|pod| {
    pod["spec"]["initContainers"] = json!([another(pod, "esi-init")]);
}), "kept for injection")]
#[case::with_something_at_the_mount_path(with(|pod| {
    pod["spec"]["volumes"] = json!([{ "name": "data", "emptyDir": {} }]);
    container(pod)["volumeMounts"] = json!([{ "name": "data", "mountPath": "/var/run/secrets/esi/default" }]);
}), "set another mount path")]
#[case::wrapped_without_a_command(with(|pod| {
    annotate(pod, "env", "*");
    annotate(pod, "env-method", "exec");
}), "write the image's own as `command:")]
#[case::at_no_known_place(with(|pod| annotate(pod, "init-position", "before:nobody")), "init-position")]
#[case::behind_a_mesh(with(|pod| {
    pod["spec"]["initContainers"] = json!([another(pod, "istio-validation")]);
}), "init-position")]
#[case::with_an_unknown_server(with(|pod| annotate(pod, "server", "elsewhere")), "elsewhere")]
#[case::of_the_original_without_a_server(
    pod("app", &[("secretless.externalsecrets.com/env-vars", "true")]), "federated-server-url"
)]
#[tokio::test]
async fn the_denial_says_why(#[case] asks: Value, #[case] expected: &str) {
    let namespace = server::shared().await.namespace(&[]).await.unwrap();
    let told = refusal(namespace.create(&asks).await);
    assert!(
        told.starts_with("admission webhook \"pods.esi.external-secrets.io\" denied the request: "),
        "{told}"
    );
    assert!(told.contains(expected), "{told}");
}
