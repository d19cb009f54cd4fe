//! The mounts of the containers.

use serde::Serialize;

use super::error::{MutateError, shown};
use super::names::{BIN, BIN_VOLUME, ENV_VOLUME, NOTHING_SUB_PATH};
use super::select::Recipient;
use super::share::{Share, View};
use crate::pod::{Mount, Pod};

/// Where [`ENV_VOLUME`] is mounted so that kubelet has it, and shows nothing: env files are kubelet's business.
const ENV_NOTHING: &str = "/var/run/secrets/esi/.none/esi-env";

/// A mount of ours, and on whose behalf. Always read-only.
#[derive(Debug, Clone, Copy)]
pub(super) struct OurMount<'s> {
    pub(super) volume: &'s str,
    pub(super) path: &'s str,
    pub(super) sub_path: Option<&'static str>,
    pub(super) share: &'s Share<'s>,
}

/// A mount as a container has it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct VolumeMount<'m> {
    pub(super) name: &'m str,
    pub(super) mount_path: &'m str,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(super) read_only: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) sub_path: Option<&'static str>,
}

/// The mounts of a container, in order.
pub(super) fn of<'s>(recipient: &Recipient<'s>) -> Vec<OurMount<'s>> {
    let mut mounts = Vec::with_capacity(recipient.shares.len());
    for share in recipient.shares.iter().copied() {
        let (path, sub_path) = match &share.view {
            View::Files => (share.binding.mount_path.as_str(), None),
            View::Nothing(path) => (path.as_str(), Some(NOTHING_SUB_PATH)),
            View::Hidden => continue,
        };
        mounts.push(OurMount {
            volume: &share.volume,
            path,
            sub_path,
            share,
        });
    }
    let first = |wanted: fn(&Share<'_>) -> bool| recipient.shares.iter().copied().find(|share| wanted(share));
    if let Some(share) = first(|share| share.env_file && !share.by_init()) {
        let (volume, path, sub_path) = (ENV_VOLUME, ENV_NOTHING, Some(NOTHING_SUB_PATH));
        mounts.push(OurMount {
            volume,
            path,
            sub_path,
            share,
        });
    }
    if let Some(share) = first(|share| share.exec) {
        mounts.push(OurMount {
            volume: BIN_VOLUME,
            path: BIN,
            sub_path: None,
            share,
        });
    }
    mounts
}

impl OurMount<'_> {
    /// As the container has it.
    pub(super) fn value(&self) -> VolumeMount<'_> {
        VolumeMount {
            name: self.volume,
            mount_path: self.path,
            read_only: true,
            sub_path: self.sub_path,
        }
    }

    /// Whether a mount of the pod is this one.
    pub(super) fn is(&self, mount: &Mount<'_>) -> bool {
        let sub_path = mount.sub_path.filter(|sub_path| !sub_path.is_empty());
        mount.read_only && (mount.volume, mount.path, sub_path) == (self.volume, self.path, self.sub_path)
    }
}

/// Refuses mounts that would hide one another, or that the container runtime could not make.
pub(super) fn check(
    pod: &Pod<'_>,
    recipient: &Recipient<'_>,
    ours: &[OurMount<'_>],
) -> Result<(), MutateError> {
    let own: Vec<_> = ours.iter().map(|mount| (mount, parts(mount.path))).collect();
    let others = recipient.container.mounts();
    let others: Vec<_> = others.map(|mount| (mount, parts(mount.path))).collect();
    for (index, (mount, path)) in own.iter().enumerate() {
        let refuse = |other| Err(conflict(recipient, mount, other));
        for (other, other_path) in own.iter().take(index) {
            if relate(path, other_path) != Relation::Apart {
                return refuse(format!(
                    "{} puts its own, at {}",
                    other.share.binding.origin, other.path
                ));
            }
        }
        for (other, other_path) in &others {
            match relate(path, other_path) {
                Relation::Apart => {}
                Relation::Same => return refuse("another volume is mounted".to_owned()),
                Relation::Inside => {
                    return refuse(format!(
                        "the volume at {} would be mounted below, in what is read-only",
                        shown(other.path)
                    ));
                }
                Relation::Around if is_read_only(pod, other) => {
                    return refuse(format!(
                        "the read-only volume at {} is around it, in which no directory can be made",
                        shown(other.path)
                    ));
                }
                Relation::Around => {}
            }
        }
        if recipient
            .container
            .device_paths()
            .any(|other| relate(path, &parts(other)) == Relation::Same)
        {
            return refuse("a block device is".to_owned());
        }
    }
    Ok(())
}

fn conflict(recipient: &Recipient<'_>, mount: &OurMount<'_>, other: String) -> MutateError {
    MutateError::MountPath {
        origin: mount.share.origin(),
        container: shown(recipient.container.name),
        path: shown(mount.path),
        other,
    }
}

fn is_read_only(pod: &Pod<'_>, mount: &Mount<'_>) -> bool {
    mount.read_only || pod.read_only.contains(mount.volume)
}

/// Where another path is, seen from ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Relation {
    Same,
    /// Below ours.
    Inside,
    /// Ours is below it.
    Around,
    Apart,
}

fn relate(ours: &[&str], other: &[&str]) -> Relation {
    match (ours.starts_with(other), other.starts_with(ours)) {
        (true, true) => Relation::Same,
        (false, true) => Relation::Inside,
        (true, false) => Relation::Around,
        (false, false) => Relation::Apart,
    }
}

/// The components of a path, as a container runtime cleans it: `/a//b/` is `/a/b`, and so is `/a/x/../b`.
fn parts(path: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_related_by_whole_components() {
        for (other, relation) in [
            ("/etc/db", Relation::Same),
            ("/etc//db/", Relation::Same),
            ("/etc/./db", Relation::Same),
            ("/etc/x/../db", Relation::Same),
            ("/../etc/db", Relation::Same),
            ("/etc/db/..", Relation::Around),
            ("etc/db", Relation::Same),
            ("/etc/db/x", Relation::Inside),
            ("/etc", Relation::Around),
            ("/", Relation::Around),
            ("/etc/dbx", Relation::Apart),
            ("/var", Relation::Apart),
        ] {
            assert_eq!(relate(&parts("/etc/db"), &parts(other)), relation, "{other}");
        }
    }
}
