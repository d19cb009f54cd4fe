//! How long it takes, for whoever wants to know: `cargo test --release -- --ignored --nocapture microseconds`.

use std::hint::black_box;

use serde_json::{Value, json};
use tokio::time::Instant;

use super::build::*;
use crate::ask::Asked;
use crate::json::Json;
use crate::mutate::mutate;

const ROUNDS: u32 = 20_000;

/// Two containers, as a Deployment's pod comes from the API server, with what most of them have.
fn typical() -> Value {
    let mut pod = pod_of(&["app", "metrics"]);
    for container in pod["spec"]["containers"].as_array_mut().unwrap() {
        container["env"] = (0..8)
            .map(|index| json!({ "name": format!("V{index}"), "value": "x" }))
            .collect();
        container["volumeMounts"] = json!([
            { "name": "data", "mountPath": "/data" },
            { "name": "kube-api-access", "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount", "readOnly": true },
        ]);
        container["resources"] =
            json!({ "requests": { "cpu": "100m", "memory": "64Mi" }, "limits": { "memory": "64Mi" } });
        container["livenessProbe"] = json!({ "httpGet": { "path": "/", "port": 80 } });
    }
    pod["spec"]["volumes"] = json!([
        { "name": "data", "emptyDir": {} },
        { "name": "kube-api-access", "projected": { "sources": [{ "serviceAccountToken": { "path": "token" } }] } },
    ]);
    pod
}

fn report(what: &str, pod: &Value, asked: &Asked) {
    let (world, configuration) = (world(), configuration());
    let pod = Json::of(pod);
    let start = Instant::now();
    for _ in 0..ROUNDS {
        black_box(mutate(black_box(&pod), asked, &world, &configuration).unwrap());
    }
    println!(
        "{what}: {:.2} µs",
        start.elapsed().as_secs_f64() * 1e6 / f64::from(ROUNDS)
    );
}

#[test]
#[ignore = "a measurement, not a test"]
fn microseconds() {
    let database = || {
        Bind::new("db")
            .env("DB_USER", "username")
            .env("DB_PASS", "password")
            .file("db.json")
    };
    let (pod, init, node) = (typical(), ask([database()]), ask([database().node()]));
    report("delivery init", &pod, &init);
    report("delivery node", &pod, &node);
    report(
        "three bindings",
        &pod,
        &ask([database(), Bind::new("a").file("x"), Bind::new("b").env("B", "b")]),
    );
    report("called again", &injected(&pod, &init), &init);
    report("a copy", &injected(&pod, &node), &init);
    let names: Vec<String> = (0..200).map(|index| format!("c{index}")).collect();
    report(
        "200 containers",
        &pod_of(&names.iter().map(String::as_str).collect::<Vec<_>>()),
        &init,
    );
}
