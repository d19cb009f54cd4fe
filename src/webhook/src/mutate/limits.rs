//! What a pod can carry.

use super::error::MutateError;
use crate::ask::{Asked, MAX_BINDINGS};
use crate::pod::Pod;

/// Containers of one pod; far more than any node runs, few enough that no loop here takes long.
const MAX_CONTAINERS: usize = 1000;
/// Variables, mounts and words of commands that are added or replaced, over all containers. Each is about 150 bytes of
/// an object of which etcd takes 1.5 MiB, and an operation of the patch: what these cost the API server grows with
/// their number and with the length of the lists.
const MAX_ENTRIES: usize = 8192;
/// What is taken out of a marked pod: all that can have been added, volumes included, with much to spare.
const MAX_REMOVED: usize = 2 * MAX_ENTRIES;
/// Bytes of one variable of the init container: Linux refuses a longer one at exec (`MAX_ARG_STRLEN`, 128 KiB, with
/// the name and the closing zero).
const MAX_VARIABLE_BYTES: usize = 128 * 1024 - 64;

/// Refuses too many bindings, containers and names of containers.
pub(super) fn check(pod: &Pod<'_>, asked: &Asked) -> Result<(), MutateError> {
    bound(
        "bindings of the pod",
        asked.bindings.len(),
        MAX_BINDINGS,
        "use fewer Injections",
    )?;
    bound(
        "containers of the pod",
        pod.containers.len(),
        MAX_CONTAINERS,
        "use several pods",
    )?;
    for binding in &asked.bindings {
        bound(
            "containers named by a binding",
            binding.containers.len(),
            MAX_CONTAINERS,
            "leave `containers` out to mean all",
        )?;
    }
    Ok(())
}

/// Refuses too much for all containers together.
pub(super) fn check_entries(count: usize) -> Result<(), MutateError> {
    bound(
        "variables and mounts for all containers",
        count,
        MAX_ENTRIES,
        "name the `containers` that need them",
    )
}

/// Refuses to take too much out.
pub(super) fn check_removed(count: usize) -> Result<(), MutateError> {
    bound(
        "parts of an earlier injection in the pod",
        count,
        MAX_REMOVED,
        "remove what refers to volumes whose name starts with `esi-`",
    )
}

/// Refuses a variable that no process can be started with.
pub(super) fn check_variable(what: &'static str, text: &str) -> Result<(), MutateError> {
    bound(what, text.len(), MAX_VARIABLE_BYTES, "use fewer or smaller ones")
}

fn bound(what: &'static str, count: usize, max: usize, remedy: &'static str) -> Result<(), MutateError> {
    match count <= max {
        true => Ok(()),
        false => Err(MutateError::TooMuch {
            what,
            count,
            max,
            remedy,
        }),
    }
}
