//! The volumes of the pod.

use std::borrow::Cow;

use esi_resources::injection::Delivery;
use serde::Serialize;

use super::identity::{self, Identity};
use super::names::{BIN_VOLUME, DRIVER, ENV_VOLUME, TOKEN_VOLUME};
use super::select::Recipient;
use super::share::Share;
use super::warnings::Warnings;
use crate::config::VolumeKind;
use crate::json;
use crate::pod::Pod;

/// Most bytes of all env files. A binding's variables are bounded by its rendered outputs; few have a kilobyte. It
/// is a limit, not a reservation: memory is used, and charged to the pod, as files are written.
const ENV_SIZE: &str = "8Mi";
/// Most bytes of a binding's files where no driver carries them: two generations of what can be rendered (4 MiB),
/// since one is written while the other is seen.
const FILES_SIZE: &str = "10Mi";
/// Most bytes of the program that wraps commands, twice: the old one is there until the new one takes its place.
const BIN_SIZE: &str = "16Mi";

/// A volume as a pod has it: its name, and one of the others.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Volume<'v> {
    name: &'v str,
    #[serde(skip_serializing_if = "Option::is_none")]
    csi: Option<Csi<'v>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    empty_dir: Option<EmptyDir>,
    #[serde(skip_serializing_if = "Option::is_none")]
    projected: Option<Projected<'v>>,
}

/// An inline volume of the node daemon's driver.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Csi<'v> {
    driver: &'static str,
    read_only: bool,
    volume_attributes: Attributes<'v>,
}

/// What the node daemon is told.
#[derive(Debug, Serialize)]
struct Attributes<'v> {
    plan: &'v str,
    delivery: Delivery,
    #[serde(skip_serializing_if = "Option::is_none")]
    uid: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct EmptyDir {
    #[serde(skip_serializing_if = "Option::is_none")]
    medium: Option<&'static str>,
    size_limit: &'static str,
}

#[derive(Debug, Serialize)]
struct Projected<'v> {
    sources: Vec<Source<'v>>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Source<'v> {
    service_account_token: Token<'v>,
}

/// A token of the pod's service account, for one audience.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Token<'v> {
    pub(super) audience: &'v str,
    pub(super) expiration_seconds: u64,
    pub(super) path: String,
}

/// A binding's plan and volume as the pod carries them.
#[derive(Debug)]
pub(super) struct Carried<'s> {
    share: &'s Share<'s>,
    /// The plan's JSON.
    pub(super) plan: Cow<'s, str>,
    /// Whose the files are, where all who read them are one.
    user: Option<i64>,
}

/// The plan and the volume of a binding.
pub(super) fn carry<'s>(
    pod: &Pod<'_>,
    recipients: &[Recipient<'_>],
    share: &'s Share<'s>,
    init: Option<&Identity>,
    warnings: &mut Warnings,
) -> Carried<'s> {
    let (user, access) = match init {
        Some(init) if share.by_init() => (Some(init.user), init.access),
        _ => identity::of_node(pod, recipients, share),
    };
    identity::warn(share, access, warnings);
    let plan = match identity::readable(&share.binding.plan, access) {
        Cow::Borrowed(_as_asked) => Cow::Borrowed(share.binding.json.as_str()),
        Cow::Owned(plan) => Cow::Owned(plan.to_json()),
    };
    Carried { share, plan, user }
}

impl Carried<'_> {
    /// The volume; absent where the binding needs none.
    pub(super) fn volume(&self) -> Option<Volume<'_>> {
        match self.share.carrier? {
            VolumeKind::Csi => Some(Volume {
                name: &self.share.volume,
                csi: Some(Csi {
                    driver: DRIVER,
                    read_only: !self.share.by_init(),
                    volume_attributes: self.attributes(),
                }),
                ..Volume::default()
            }),
            VolumeKind::EmptyDir => Some(in_memory(&self.share.volume, FILES_SIZE)),
        }
    }

    /// Whether what the node daemon is told by a volume of the pod is what it is to be told.
    pub(super) fn tells(&self, found: Option<json::Value<'_>>) -> bool {
        match (self.share.carrier, found) {
            (Some(VolumeKind::Csi), Some(found)) => {
                serde_json::to_value(self.attributes()).is_ok_and(|wanted| found.is(&wanted))
            }
            (Some(VolumeKind::Csi), None) => false,
            (Some(VolumeKind::EmptyDir) | None, found) => found.is_none(),
        }
    }

    fn attributes(&self) -> Attributes<'_> {
        Attributes {
            plan: &self.plan,
            delivery: self.share.binding.delivery,
            uid: self.user.map(|user| user.to_string()),
        }
    }
}

/// The volume of env files.
pub(super) fn env_files() -> Volume<'static> {
    in_memory(ENV_VOLUME, ENV_SIZE)
}

/// The volume of the program that wraps commands. Not in memory: it is no secret, and would count against the pod's.
pub(super) fn bin() -> Volume<'static> {
    let empty_dir = EmptyDir {
        medium: None,
        size_limit: BIN_SIZE,
    };
    Volume {
        name: BIN_VOLUME,
        empty_dir: Some(empty_dir),
        ..Volume::default()
    }
}

/// The volume of tokens. kubelet makes them readable for the init container alone where the pod's users allow, and no
/// other container mounts them.
pub(super) fn tokens<'v>(tokens: impl Iterator<Item = Token<'v>>) -> Volume<'v> {
    let source = |service_account_token| Source {
        service_account_token,
    };
    let sources = tokens.map(source).collect();
    Volume {
        name: TOKEN_VOLUME,
        projected: Some(Projected { sources }),
        ..Volume::default()
    }
}

fn in_memory<'v>(name: &'v str, size_limit: &'static str) -> Volume<'v> {
    let empty_dir = EmptyDir {
        medium: Some("Memory"),
        size_limit,
    };
    Volume {
        name,
        empty_dir: Some(empty_dir),
        ..Volume::default()
    }
}
