//! What must hold between the bindings of one pod, and between a binding and the cluster's configuration.
//!
//! Two bindings share a container for certain if both are for all application containers, or both name it. Whether a
//! container that one names is among the application's, only the pod tells: that is left to `mutate`.

use std::collections::BTreeSet;

use esi_core::names::{ContainerName, ServerName};
use esi_core::plan::EnvName;
use esi_resources::injection::Delivery;

use super::error::AskError;
use super::text::{Text, plain};
use super::{Asked, Binding};
use crate::config::{Configuration, VolumeKind};

/// Most bindings of one pod: what `esi-cli init` reads. kubelet mounts at most 256 CSI volumes on a node, for all
/// its pods.
pub const MAX_BINDINGS: usize = 32;
/// Most bytes of all plans of a pod together. The init container gets them in one environment variable, and Linux
/// starts no program with a longer one than 128 KiB (`MAX_ARG_STRLEN`); the name and the brackets take a few.
pub const MAX_PLANS_BYTES: usize = 120 * 1024;
/// Where the injected containers keep what is theirs, and where volumes without files are mounted.
const RESERVED: [&str; 2] = ["/esi", "/var/run/secrets/esi/.none"];
/// Most configured servers that a message names.
const MAX_NAMED_SERVERS: usize = 8;

/// All rules that need no pod.
pub(super) fn check(asked: &Asked, config: &Configuration) -> Result<(), AskError> {
    let Asked {
        bindings,
        options,
        warnings: _,
    } = asked;
    if bindings.len() > MAX_BINDINGS {
        let problem = format!("there are {}; at most {MAX_BINDINGS} are allowed", bindings.len());
        return Err(AskError::too_much("the bindings of the pod", problem));
    }
    for binding in bindings {
        one(binding, options.volume, config)?;
    }
    for (index, second) in bindings.iter().enumerate() {
        let mut before = bindings.iter().take(index);
        if let Some(first) = before.find(|first| first.plan.binding == second.plan.binding) {
            let problem = format!(
                "are both the binding `{}`: remove one, or give it another name",
                second.plan.binding
            );
            return Err(conflict(first, second, &problem));
        }
    }
    clashes(bindings, |one, other| {
        one.is_empty() && other.is_empty() || one.iter().any(|name| other.contains(name))
    })?;
    let bytes: usize = bindings.iter().map(|binding| binding.json.len()).sum();
    if bytes > MAX_PLANS_BYTES {
        let problem = format!(
            "they have {bytes} bytes; at most {MAX_PLANS_BYTES} are allowed: shorten their templates, or use fewer"
        );
        return Err(AskError::too_much("the plans of the pod's bindings", problem));
    }
    Ok(())
}

/// What is told of bindings that may be right.
pub(super) fn warnings(bindings: &[Binding], warnings: &mut Vec<String>) {
    let mut all_keys = bindings.iter().filter(|binding| binding.plan.all_keys);
    if let (Some(first), Some(second)) = (all_keys.next(), all_keys.next()) {
        warnings.push(plain(
            &format!(
                "bindings `{}` and `{}` both turn every key into a variable: where both have a key, name the \
                 variables instead",
                first.plan.binding, second.plan.binding
            ),
            super::text::MAX_WARNING,
        ));
    }
}

/// Whether containers find something in its volume.
fn is_mounted(binding: &Binding) -> bool {
    !binding.plan.files.is_empty() || binding.plan.has_environ()
}

/// Refuses a server that is not configured.
pub(super) fn server(place: &str, name: &ServerName, config: &Configuration) -> Result<(), AskError> {
    if config.servers.contains_key(name) {
        return Ok(());
    }
    Err(AskError::UnknownServer {
        place: Text::new(place),
        server: Text::new(name.as_str()),
        configured: configured(config),
    })
}

fn one(binding: &Binding, volume: VolumeKind, config: &Configuration) -> Result<(), AskError> {
    let Binding {
        plan,
        origin,
        mount_path,
        delivery,
        ..
    } = binding;
    server(origin, &plan.server, config)?;
    if *delivery == Delivery::Node {
        if plan.has_environ() {
            let problem = "environment method `exec` needs the init container, and delivery is `node`: write \
                           delivery `init`, or environment method `file`";
            return Err(AskError::not_offered(origin, problem));
        }
        if volume == VolumeKind::EmptyDir {
            let problem = "delivery `node` needs the volume of the node's driver, and the pod's volumes are \
                           `emptydir`: write delivery `init`, or volume `csi`";
            return Err(AskError::not_offered(origin, problem));
        }
    }
    if is_mounted(binding)
        && let Some(reserved) = RESERVED.iter().find(|reserved| mount_path.overlaps(reserved))
    {
        let problem = format!("mount path `{mount_path}` is taken by `{reserved}`: write another one");
        return Err(AskError::not_offered(origin, problem));
    }
    Ok(())
}

/// The first clash of two bindings whose lists of containers satisfy `share`.
fn clashes(
    bindings: &[Binding],
    share: impl Fn(&[ContainerName], &[ContainerName]) -> bool,
) -> Result<(), AskError> {
    for (index, second) in bindings.iter().enumerate() {
        let mut names: Option<BTreeSet<&EnvName>> = None;
        let before = bindings.iter().take(index);
        for first in before.filter(|first| share(&first.containers, &second.containers)) {
            let names = names.get_or_insert_with(|| second.plan.env.iter().map(|one| &one.name).collect());
            if let Some(twice) = first.plan.env.iter().find(|one| names.contains(&one.name)) {
                let problem = format!(
                    "both set the variable `{}` in the same container: rename one, or give them different \
                     containers",
                    plain(twice.name.as_str(), 80)
                );
                return Err(conflict(first, second, &problem));
            }
            let (one, other) = (&first.mount_path, &second.mount_path);
            if is_mounted(first) && is_mounted(second) && one.overlaps(other.as_str()) {
                let problem = format!(
                    "are mounted at `{}` and `{}` in the same container: write mount paths that are not below each \
                     other",
                    plain(one.as_str(), 80),
                    plain(other.as_str(), 80)
                );
                return Err(conflict(first, second, &problem));
            }
        }
    }
    Ok(())
}

fn conflict(first: &Binding, second: &Binding, problem: &str) -> AskError {
    AskError::Conflict {
        first: Text::new(&first.origin),
        second: Text::new(&second.origin),
        problem: Text::new(problem),
    }
}

fn configured(config: &Configuration) -> Text {
    let names = config.servers.keys().take(MAX_NAMED_SERVERS);
    Text::new(listed(
        names.map(|name| format!("`{name}`")),
        config.servers.len(),
    ))
}

/// Names as a clause of a message.
pub(super) fn listed(names: impl Iterator<Item = String>, of: usize) -> String {
    let names: Vec<String> = names.take(MAX_NAMED_SERVERS).collect();
    match of.saturating_sub(names.len()) {
        _ if names.is_empty() => "none is configured".to_owned(),
        0 => format!("configured: {}", names.join(", ")),
        more => format!("configured: {} and {more} more", names.join(", ")),
    }
}
