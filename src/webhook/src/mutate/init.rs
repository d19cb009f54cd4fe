//! The init container.

use esi_core::span;
use serde_json::{Value, json};

use super::error::MutateError;
use super::exec::literal;
use super::identity::Identity;
use super::limits;
use super::names::{
    BIN, BIN_VOLUME, ENV_VOLUME, INIT_CONTAINER, INIT_ENV, INIT_TOKENS, INIT_VOLUMES, TOKEN_VOLUME,
};
use super::resources;
use super::servers;
use super::share::Share;
use crate::config::Configuration;
use crate::pod::Pod;
use crate::world::World;

/// The init container that fetches the bindings of delivery `init`, whose plans are `plans`.
///
/// It is within the Pod Security Standard `restricted`, whatever the pod is.
///
/// # Errors
/// If it would be told more than a process can be started with.
pub(super) fn container(
    pod: &Pod<'_>,
    shares: &[Share<'_>],
    plans: &[&str],
    identity: &Identity,
    world: &World,
    configuration: &Configuration,
) -> Result<Value, MutateError> {
    let init = &configuration.init;
    let mut container = json!({
        "name": INIT_CONTAINER,
        "image": init.image,
        "args": ["init"],
        "env": environment(shares, plans, configuration)?,
        "securityContext": security(identity),
        "volumeMounts": mounts(shares),
    });
    let optional = [
        (
            "imagePullPolicy",
            init.image_pull_policy.as_deref().map(Value::from),
        ),
        ("resources", resources::of_init(pod, init)),
        ("restartPolicy", restart_policy(pod, world).map(Value::from)),
    ];
    if let Some(container) = container.as_object_mut() {
        for (key, value) in optional {
            container.extend(value.map(|value| (key.to_owned(), value)));
        }
    }
    Ok(container)
}

fn environment(
    shares: &[Share<'_>],
    plans: &[&str],
    configuration: &Configuration,
) -> Result<Vec<Value>, MutateError> {
    let plans = literal(&format!("[{}]", plans.join(",")));
    limits::check_variable("bytes of the plans of all bindings", &plans)?;
    let servers = literal(&servers::describe(&servers::used(shares)));
    limits::check_variable("bytes of the description of the servers", &servers)?;
    let deadline = span::format(configuration.init.deadline);
    let mut environment = vec![
        json!({ "name": "ESI_PLANS", "value": plans }),
        json!({ "name": "ESI_SERVERS", "value": servers }),
        json!({ "name": "ESI_DEADLINE", "value": deadline }),
    ];
    if shares.iter().any(|share| share.exec) {
        environment.push(json!({ "name": "ESI_INSTALL", "value": BIN }));
    }
    Ok(environment)
}

fn security(identity: &Identity) -> Value {
    let mut security = json!({
        "allowPrivilegeEscalation": false,
        "capabilities": { "drop": ["ALL"] },
        "readOnlyRootFilesystem": true,
        "runAsNonRoot": true,
        "runAsUser": identity.user,
        "seccompProfile": { "type": "RuntimeDefault" },
    });
    if let (Some(group), Some(security)) = (identity.group, security.as_object_mut()) {
        security.insert("runAsGroup".to_owned(), Value::from(group));
    }
    security
}

fn mounts(shares: &[Share<'_>]) -> Vec<Value> {
    let mut mounts = vec![json!({ "name": TOKEN_VOLUME, "mountPath": INIT_TOKENS, "readOnly": true })];
    let fetched = || shares.iter().filter(|share| share.by_init());
    for share in fetched().filter(|share| share.carrier.is_some()) {
        let path = format!("{INIT_VOLUMES}{}", share.binding.plan.binding);
        mounts.push(json!({ "name": share.volume, "mountPath": path }));
    }
    if fetched().any(|share| share.env_file) {
        mounts.push(json!({ "name": ENV_VOLUME, "mountPath": INIT_ENV }));
    }
    if fetched().any(|share| share.exec) {
        mounts.push(json!({ "name": BIN_VOLUME, "mountPath": BIN }));
    }
    mounts
}

/// A pod that never restarts would fail for good with the first failure of an init container, unless the container
/// says otherwise, which older API servers do not know.
fn restart_policy(pod: &Pod<'_>, world: &World) -> Option<&'static str> {
    (pod.restart_policy == Some("Never") && world.restart_rules).then_some("OnFailure")
}
