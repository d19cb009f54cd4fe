//! What kubelet asks for, checked: inside the daemon there is nothing of a request left to check again.
//!
//! Names come from kubelet (the CSI driver's `podInfoOnMount`), the plan and the owner from the pod's author, who may
//! write anything there: they grant nothing, and only shape that pod's own volume.

mod target;
mod volume_id;

use std::collections::BTreeMap;

use esi_core::names::{Namespace, ObjectName, Uid};
use esi_core::{Plan, SecretBytes};
use serde::{Deserialize, Serialize};

pub use target::{KubeletRoot, Target};
pub use volume_id::{SOURCE_PREFIX, VolumeId};

/// Make a volume be there, with its content.
#[derive(Debug)]
pub struct Publish {
    /// Which volume.
    pub id: VolumeId,
    /// Where.
    pub target: Target,
    /// Whose.
    pub pod: Pod,
    /// Who fills it.
    pub delivery: Delivery,
    /// With what.
    pub plan: Plan,
    /// Who may read it.
    pub owner: Owner,
    /// The pod's own tokens, by audience. Never logged, never stored.
    pub tokens: BTreeMap<String, SecretBytes>,
}

/// Make a volume be gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unpublish {
    /// Which volume.
    pub id: VolumeId,
    /// Where.
    pub target: Target,
}

/// A pod, as kubelet names it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Pod {
    /// Its namespace.
    pub namespace: Namespace,
    /// Its name.
    pub name: ObjectName,
    /// Its UID, which the target's path has too.
    pub uid: Uid,
    /// Its service account.
    pub service_account: ObjectName,
}

/// Who fills a volume.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Delivery {
    /// The pod's init container: the volume is writable for the pod.
    Init,
    /// The daemon: the volume is read-only for the pod.
    Node,
}

/// Who a volume belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Owner {
    /// The user of the pod's containers, where they have one in common.
    pub user: Option<u32>,
    /// The pod's `fsGroup`.
    pub group: Option<u32>,
}
