//! Which container gets which bindings.

use super::error::{MutateError, shown, shown_list};
use super::mesh;
use super::names::INIT_CONTAINER;
use super::share::Share;
use crate::ask::Binding;
use crate::pod::{Container, Kind, Pod};

/// A container, and what it gets: at least one binding.
#[derive(Debug)]
pub(super) struct Recipient<'s> {
    pub(super) container: &'s Container<'s>,
    pub(super) shares: Vec<&'s Share<'s>>,
    /// Whether a binding names it, so that it is not one of "all".
    pub(super) named: bool,
}

/// All recipients, in the order of the pod's containers.
///
/// "All application containers" leaves out a mesh's proxy, unless the pod has no other: it is a sidecar whoever adds
/// it, before or after this webhook.
///
/// # Errors
/// If a binding names a container that is not there, or is there twice.
pub(super) fn select<'s>(
    pod: &'s Pod<'s>,
    shares: &'s [Share<'s>],
) -> Result<Vec<Recipient<'s>>, MutateError> {
    for share in shares {
        check_names(pod, share.binding)?;
    }
    let only_proxies = pod.application().all(|container| mesh::is_proxy(container.name));
    let mut recipients = Vec::with_capacity(pod.containers.len());
    for container in pod.containers.iter().filter(|container| !is_ours(container)) {
        let among_all =
            container.kind == Kind::Application && (only_proxies || !mesh::is_proxy(container.name));
        let mut named = false;
        let mut got = Vec::new();
        for share in shares {
            let names = &share.binding.containers;
            if names.iter().any(|name| name.as_str() == container.name) {
                named = true;
                got.push(share);
            } else if names.is_empty() && among_all {
                got.push(share);
            }
        }
        if !got.is_empty() {
            recipients.push(Recipient {
                container,
                shares: got,
                named,
            });
        }
    }
    Ok(recipients)
}

/// Whether it is the injected init container.
pub(super) fn is_ours(container: &Container<'_>) -> bool {
    container.kind == Kind::Init && container.name == INIT_CONTAINER
}

fn check_names(pod: &Pod<'_>, binding: &Binding) -> Result<(), MutateError> {
    for name in &binding.containers {
        let name = name.as_str();
        let mut found = pod
            .containers
            .iter()
            .filter(|container| container.name == name && !is_ours(container));
        match (found.next(), found.next()) {
            (Some(_), None) => {}
            (Some(_), Some(_)) => return Err(MutateError::SameName { name: shown(name) }),
            (None, _) => return Err(unknown(pod, binding, name)),
        }
    }
    Ok(())
}

fn unknown(pod: &Pod<'_>, binding: &Binding, name: &str) -> MutateError {
    let containers = pod.containers.iter().filter(|container| !is_ours(container));
    let mut known = shown_list(containers.map(|container| container.name));
    if pod.ephemeral.contains(&name) {
        known.push_str(", and ephemeral containers get nothing");
    }
    MutateError::UnknownContainer {
        origin: binding.origin.clone(),
        name: shown(name),
        known,
    }
}
