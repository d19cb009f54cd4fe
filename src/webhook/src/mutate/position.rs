//! Where the init container goes among the others.

use super::error::{MutateError, shown, shown_list};
use super::mesh;
use super::select::{Recipient, is_ours};
use crate::ask::Position;
use crate::pod::{Kind, Pod};

/// The index of the init container in the list of the others.
///
/// The pod's own wish wins. Else it goes directly after a mesh's proxy that runs as a native sidecar, so that the
/// server is reached through the mesh, and else first, before whoever may need what it fetches.
///
/// # Errors
/// If the wish names nobody, if a mesh would swallow the traffic, or if an init container that is to get something
/// would run before.
pub(super) fn decide(
    pod: &Pod<'_>,
    wish: Option<&Position>,
    recipients: &[Recipient<'_>],
) -> Result<usize, MutateError> {
    let index = match wish {
        Some(Position::First) => 0,
        Some(Position::Before(name)) => find(pod, name.as_str())?,
        Some(Position::After(name)) => find(pod, name.as_str())?.saturating_add(1),
        None => by_rule(pod)?,
    };
    check_recipients(index, recipients)?;
    Ok(index)
}

/// Where an init container is, when ours is not counted.
fn find(pod: &Pod<'_>, name: &str) -> Result<usize, MutateError> {
    let others = || {
        pod.init()
            .filter(|container| !is_ours(container))
            .map(|container| container.name)
    };
    others()
        .position(|other| other == name)
        .ok_or_else(|| MutateError::UnknownPosition {
            name: shown(name),
            known: shown_list(others()),
        })
}

fn by_rule(pod: &Pod<'_>) -> Result<usize, MutateError> {
    let others = || pod.init().filter(|container| !is_ours(container)).enumerate();
    let native = others()
        .filter(|(_, container)| container.sidecar && mesh::is_proxy(container.name))
        .last();
    if let Some((index, _)) = native {
        return Ok(index.saturating_add(1));
    }
    match others().find_map(|(_, container)| mesh::of_validator(container.name)) {
        Some(mesh) => Err(MutateError::Mesh {
            mesh: mesh.name,
            exclusion: mesh.exclusion,
        }),
        None => Ok(0),
    }
}

/// Refuses init containers that would run before what they get is fetched.
fn check_recipients(index: usize, recipients: &[Recipient<'_>]) -> Result<(), MutateError> {
    for Recipient {
        container, shares, ..
    } in recipients
    {
        let late = shares.iter().find(|share| share.by_init());
        if let (Kind::Init, true, Some(share)) = (container.kind, container.index < index, late) {
            let container = shown(container.name);
            return Err(MutateError::TooEarly {
                origin: share.origin(),
                container,
            });
        }
    }
    Ok(())
}
