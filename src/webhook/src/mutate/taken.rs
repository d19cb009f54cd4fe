//! Names that are kept for injection: nothing of the pod may have them, or refer to them.
//!
//! Asked of a pod from which ours are gone, or in which they never were. What merely refers to a volume of ours would
//! come to life with it, and show a container what is not meant for it.

use super::error::{MutateError, shown};
use super::names::{DRIVER, INIT_CONTAINER, VOLUME_PREFIX};
use super::ours::is_reserved;
use super::share::Share;
use crate::pod::{Container, Pod};

/// Refuses whatever has a name of ours.
pub(super) fn check(pod: &Pod<'_>, shares: &[Share<'_>]) -> Result<(), MutateError> {
    for volume in pod.volumes() {
        if is_reserved(volume.name, shares) {
            return taken("the volume", volume.name, "rename it, and what refers to it");
        }
        if volume.driver() == Some(DRIVER) && volume.name.starts_with(VOLUME_PREFIX) {
            return taken(
                "the volume",
                volume.name,
                "give it a name that does not start with `esi-`",
            );
        }
    }
    for container in &pod.containers {
        if container.name == INIT_CONTAINER {
            return taken("the container", container.name, "rename it");
        }
        check_container(container, shares)?;
    }
    Ok(())
}

fn check_container(container: &Container<'_>, shares: &[Share<'_>]) -> Result<(), MutateError> {
    if let Some(mount) = container.mounts().find(|mount| is_reserved(mount.volume, shares)) {
        return taken(
            "the volume mount",
            mount.volume,
            "remove it: containers are named in `containers`",
        );
    }
    for variable in container.env() {
        if let Some((volume, _, _)) = variable.file.filter(|(volume, _, _)| is_reserved(volume, shares)) {
            return taken(
                "the volume of a `fileKeyRef`",
                volume,
                "remove the variable: it is written here",
            );
        }
    }
    Ok(())
}

fn taken(what: &'static str, name: &str, remedy: &'static str) -> Result<(), MutateError> {
    Err(MutateError::Taken {
        what,
        name: shown(name),
        remedy,
    })
}
