//! Pods that were written to cost much, or to hide what is put into them. Kubernetes looks at a pod after this
//! webhook: nothing of it is valid beforehand, but for its size.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use serde_json::{Value, json};

use super::build::*;
use crate::ask::Asked;
use crate::mutate::MutateError;

/// Processor time far above what the largest pod takes, far below what one takes for which time grows with the square
/// of its size.
const LONG: Duration = Duration::from_secs(3);
/// As many small elements as fit into a request of 3 MiB.
const MANY: usize = 30_000;

fn in_time(pod: &Value, asked: &Asked) -> Result<crate::mutate::Mutation, MutateError> {
    let started = processor_time();
    let result = try_mutate(pod, asked);
    let took = processor_time() - started;
    assert!(took < LONG, "it took {took:?}");
    result
}

/// Of this thread: what else the machine does takes none of it.
fn processor_time() -> Duration {
    clock_gettime(ClockId::ThreadCPUTime).try_into().unwrap()
}

fn many(element: impl Fn(usize) -> Value) -> Value {
    (0..MANY).map(element).collect()
}

fn files() -> Asked {
    ask([Bind::new("db").file("db.json").env("DB_USER", "username")])
}

/// Marked as by us: whoever writes a pod can.
fn marked(mut pod: Value) -> Value {
    pod["metadata"]["annotations"]["esi.external-secrets.io/injected"] = json!("0.1.0:0123456789abcdef");
    pod
}

#[test]
fn a_pod_of_many_volumes_and_many_mounts_around_ours_takes_no_time() {
    let mut pod = with(
        pod(),
        "/spec/volumes",
        many(|n| json!({ "name": format!("v{n}"), "emptyDir": {} })),
    );
    pod["spec"]["containers"][0]["volumeMounts"] =
        many(|_| json!({ "name": format!("v{}", MANY - 1), "mountPath": "/" }));
    in_time(&pod, &files()).unwrap();
}

#[test]
fn a_marked_pod_of_many_volumes_that_may_be_ours_takes_no_time() {
    let mut pod = marked(pod_with_init(&["esi-init"]));
    pod["spec"]["volumes"] = many(|n| json!({ "name": format!("esi-v{n}"), "emptyDir": {} }));
    pod["spec"]["initContainers"][0]["volumeMounts"] =
        many(|_| json!({ "name": "v", "mountPath": "/esi/volumes/v" }));
    in_time(&pod, &files()).unwrap();
}

#[test]
fn a_pod_is_refused_whose_patch_would_be_work_for_the_api_server() {
    let variables = || many(|_| json!({ "name": "DB_USER", "value": "" }));
    let replaced = with(pod(), "/spec/containers/0/env", variables());
    let driver = json!({ "driver": "esi.csi.external-secrets.io" });
    let volumes = with(
        marked(pod()),
        "/spec/volumes",
        many(|n| json!({ "name": format!("esi-v{n}"), "csi": driver })),
    );
    let mounts = with(
        volumes.clone(),
        "/spec/containers/0/volumeMounts",
        many(|n| json!({ "name": format!("esi-v{n}"), "mountPath": "/x" })),
    );
    for pod in [replaced, volumes, mounts] {
        let error = in_time(&pod, &files()).unwrap_err();
        assert_eq!(error.reason(), "too_much", "{error}");
    }
}

#[test]
fn a_mount_that_comes_back_to_ours_by_dots_is_seen() {
    for path in [
        "/var/x/../run/secrets/esi/db",
        "/../var/run/secrets/esi/db",
        "/var/run/secrets/esi/db/x/..",
        "var/run/secrets/esi/db",
    ] {
        let volumes = with(
            pod(),
            "/spec/volumes",
            json!([{ "name": "data", "emptyDir": {} }]),
        );
        let pod = with(
            volumes,
            "/spec/containers/0/volumeMounts",
            json!([{ "name": "data", "mountPath": path }]),
        );
        let message = refusal(&pod, &files());
        assert!(message.starts_with("mount_path: "), "{path}: {message}");
    }
}
