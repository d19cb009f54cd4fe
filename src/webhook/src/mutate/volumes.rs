//! The volumes of the pod.

use std::borrow::Cow;

use serde_json::{Value, json};

use super::identity::{self, Identity};
use super::names::{BIN_VOLUME, DRIVER, ENV_VOLUME};
use super::select::Recipient;
use super::share::Share;
use super::warnings::Warnings;
use crate::config::VolumeKind;
use crate::pod::Pod;

/// Most bytes of all env files. A binding's variables are bounded by its rendered outputs; few have a kilobyte. It
/// is a limit, not a reservation: memory is used, and charged to the pod, as files are written.
const ENV_SIZE: &str = "8Mi";
/// Most bytes of a binding's files where no driver carries them: two generations of what can be rendered (4 MiB),
/// since one is written while the other is seen.
const FILES_SIZE: &str = "10Mi";
/// Most bytes of the program that wraps commands, twice: the old one is there until the new one takes its place.
const BIN_SIZE: &str = "16Mi";

/// A binding's plan and volume as the pod carries them.
#[derive(Debug)]
pub(super) struct Carried {
    /// The plan's JSON.
    pub(super) plan: String,
    /// The volume; absent where the binding needs none.
    pub(super) volume: Option<Value>,
}

/// The plan and the volume of a binding.
pub(super) fn carry(
    pod: &Pod<'_>,
    recipients: &[Recipient<'_>],
    share: &Share<'_>,
    init: Option<&Identity>,
    warnings: &mut Warnings,
) -> Carried {
    let (user, access) = match init {
        Some(init) if share.by_init() => (Some(init.user), init.access),
        _ => identity::of_node(pod, recipients, share),
    };
    identity::warn(share, access, warnings);
    let plan = match identity::readable(&share.binding.plan, access) {
        Cow::Borrowed(_as_asked) => share.plan.clone(),
        Cow::Owned(plan) => plan.to_json(),
    };
    let volume = share.carrier.map(|kind| match kind {
        VolumeKind::Csi => driven(share, user, &plan),
        VolumeKind::EmptyDir => in_memory(&share.volume, FILES_SIZE),
    });
    Carried { plan, volume }
}

fn driven(share: &Share<'_>, user: Option<i64>, plan: &str) -> Value {
    let delivery = share.binding.delivery;
    let mut attributes = json!({ "plan": plan, "delivery": delivery });
    if let (Some(user), Some(attributes)) = (user, attributes.as_object_mut()) {
        attributes.insert("uid".to_owned(), Value::from(user.to_string()));
    }
    json!({
        "name": share.volume,
        "csi": { "driver": DRIVER, "readOnly": !share.by_init(), "volumeAttributes": attributes },
    })
}

/// The volume of env files.
pub(super) fn env_files() -> Value {
    in_memory(ENV_VOLUME, ENV_SIZE)
}

/// The volume of the program that wraps commands. Not in memory: it is no secret, and would count against the pod's.
pub(super) fn bin() -> Value {
    json!({ "name": BIN_VOLUME, "emptyDir": { "sizeLimit": BIN_SIZE } })
}

fn in_memory(name: &str, size: &str) -> Value {
    json!({ "name": name, "emptyDir": { "medium": "Memory", "sizeLimit": size } })
}
