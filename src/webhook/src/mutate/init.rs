//! The init container.

use std::borrow::Cow;

use esi_core::span;
use serde::Serialize;

use super::error::MutateError;
use super::exec::literal;
use super::identity::Identity;
use super::limits;
use super::mounts::VolumeMount;
use super::names::{BIN, BIN_VOLUME, ENV_VOLUME, INIT_CONTAINER, INIT_ENV, INIT_TOKENS, TOKEN_VOLUME};
use super::resources::{self, Resources};
use super::servers;
use super::share::Share;
use crate::config::Configuration;
use crate::pod::Pod;
use crate::world::World;

/// A container as a pod has it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Container<'c> {
    name: &'static str,
    image: &'c str,
    #[serde(skip_serializing_if = "Option::is_none")]
    image_pull_policy: Option<&'c str>,
    args: [&'static str; 1],
    env: Vec<EnvVar<'c>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    resources: Option<Resources<'c>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    restart_policy: Option<&'static str>,
    security_context: SecurityContext,
    volume_mounts: Vec<VolumeMount<'c>>,
}

#[derive(Debug, Serialize)]
struct EnvVar<'c> {
    name: &'static str,
    value: Cow<'c, str>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct SecurityContext {
    allow_privilege_escalation: bool,
    capabilities: Capabilities,
    read_only_root_filesystem: bool,
    run_as_non_root: bool,
    run_as_user: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    run_as_group: Option<i64>,
    seccomp_profile: SeccompProfile,
}

#[derive(Debug, Serialize)]
struct Capabilities {
    drop: [&'static str; 1],
}

#[derive(Debug, Serialize)]
struct SeccompProfile {
    #[serde(rename = "type")]
    kind: &'static str,
}

/// The init container that fetches the bindings of delivery `init`, whose plans are `plans`.
///
/// It is within the Pod Security Standard `restricted`, whatever the pod is.
///
/// # Errors
/// If it would be told more than a process can be started with.
pub(super) fn container<'c>(
    pod: &Pod<'_>,
    shares: &'c [Share<'c>],
    plans: &[&str],
    identity: &Identity,
    world: &World,
    configuration: &'c Configuration,
) -> Result<Container<'c>, MutateError> {
    let init = &configuration.init;
    Ok(Container {
        name: INIT_CONTAINER,
        image: &init.image,
        image_pull_policy: init.image_pull_policy.as_deref(),
        args: ["init"],
        env: environment(shares, plans, configuration)?,
        resources: resources::of_init(pod, init),
        restart_policy: restart_policy(pod, world),
        security_context: security(identity),
        volume_mounts: mounts(shares),
    })
}

fn environment<'c>(
    shares: &[Share<'_>],
    plans: &[&str],
    configuration: &Configuration,
) -> Result<Vec<EnvVar<'c>>, MutateError> {
    let plans = literal(format!("[{}]", plans.join(",")));
    limits::check_variable("bytes of the plans of all bindings", &plans)?;
    let servers = literal(servers::describe(&servers::used(shares)));
    limits::check_variable("bytes of the description of the servers", &servers)?;
    let deadline = span::format(configuration.init.deadline);
    let mut environment = vec![
        variable("ESI_PLANS", plans),
        variable("ESI_SERVERS", servers),
        variable("ESI_DEADLINE", deadline),
    ];
    if shares.iter().any(|share| share.exec) {
        environment.push(variable("ESI_INSTALL", BIN));
    }
    Ok(environment)
}

fn variable<'c>(name: &'static str, value: impl Into<Cow<'c, str>>) -> EnvVar<'c> {
    EnvVar {
        name,
        value: value.into(),
    }
}

fn security(identity: &Identity) -> SecurityContext {
    SecurityContext {
        allow_privilege_escalation: false,
        capabilities: Capabilities { drop: ["ALL"] },
        read_only_root_filesystem: true,
        run_as_non_root: true,
        run_as_user: identity.user,
        run_as_group: identity.group,
        seccomp_profile: SeccompProfile {
            kind: "RuntimeDefault",
        },
    }
}

fn mounts<'c>(shares: &'c [Share<'c>]) -> Vec<VolumeMount<'c>> {
    let mount = |name, mount_path, read_only| VolumeMount {
        name,
        mount_path,
        read_only,
        sub_path: None,
    };
    let mut mounts = vec![mount(TOKEN_VOLUME, INIT_TOKENS, true)];
    let fetched = || shares.iter().filter(|share| share.by_init());
    for share in fetched().filter(|share| share.carrier.is_some()) {
        mounts.push(mount(&share.volume, &share.init_path, false));
    }
    if fetched().any(|share| share.env_file) {
        mounts.push(mount(ENV_VOLUME, INIT_ENV, false));
    }
    if fetched().any(|share| share.exec) {
        mounts.push(mount(BIN_VOLUME, BIN, false));
    }
    mounts
}

/// A pod that never restarts would fail for good with the first failure of an init container, unless the container
/// says otherwise, which older API servers do not know.
fn restart_policy(pod: &Pod<'_>, world: &World) -> Option<&'static str> {
    (pod.restart_policy == Some("Never") && world.restart_rules).then_some("OnFailure")
}
