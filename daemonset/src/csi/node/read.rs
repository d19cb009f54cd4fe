//! A request of kubelet's, taken apart: pure, and strict about everything that a pod's author can write.
//!
//! The order is that of csi-sanity: an id, a target and a capability are missed before anything else is looked at.

use std::collections::{BTreeMap, HashMap};
use std::str::FromStr;

use esi_core::names::NameError;
use esi_core::{Plan, SecretBytes};

use super::Invalid;
use super::tokens;
use crate::csi::proto::csi::volume_capability::access_mode::Mode;
use crate::csi::proto::csi::volume_capability::{AccessType, MountVolume};
use crate::csi::proto::csi::{NodePublishVolumeRequest, NodeUnpublishVolumeRequest, VolumeCapability};
use crate::request::{Delivery, KubeletRoot, Owner, Pod, Publish, Target, Unpublish, VolumeId};

/// The largest user or group that Kubernetes knows. -1, as an unsigned number, would mean "unchanged" to the kernel.
pub(super) const MAX_ID: u32 = i32::MAX.unsigned_abs();

/// What kubelet says begins with this; it overwrites what a pod says under the same key.
const KUBELET: &str = "csi.storage.k8s.io/";
const TOKENS: &str = "csi.storage.k8s.io/serviceAccount.tokens";
const EPHEMERAL: &str = "csi.storage.k8s.io/ephemeral";
const POD_NAMESPACE: &str = "csi.storage.k8s.io/pod.namespace";
const POD_NAME: &str = "csi.storage.k8s.io/pod.name";
const POD_UID: &str = "csi.storage.k8s.io/pod.uid";
const SERVICE_ACCOUNT: &str = "csi.storage.k8s.io/serviceAccount.name";

const PLAN: &str = "plan";
const DELIVERY: &str = "delivery";
const UID: &str = "uid";

/// Takes a publish apart.
///
/// # Errors
/// See [`Invalid`]: the first thing that is wrong.
pub fn publish(request: NodePublishVolumeRequest, root: &KubeletRoot) -> Result<Publish, Invalid> {
    let NodePublishVolumeRequest {
        volume_id,
        // Of a controller, which there is none of.
        publish_context: _,
        staging_target_path,
        target_path,
        volume_capability,
        readonly,
        secrets,
        volume_context,
    } = request;
    // From here on whatever may be a token is zeroised, wherever this returns.
    let mut secrets = hide(secrets);
    let mut context = volume_context;
    let context_tokens = context.remove(TOKENS).map(SecretBytes::from);

    present(&volume_id, "volume id")?;
    present(&target_path, "target path")?;
    let capability = volume_capability.ok_or(Invalid::Missing("volume capability"))?;
    if context.get(EPHEMERAL).map(String::as_str) != Some("true") {
        return Err(Invalid::PodInfo(EPHEMERAL));
    }
    let group = group(capability)?;
    if !staging_target_path.is_empty() {
        return Err(Invalid::Unsupported {
            what: "a staging target path",
            fix: "volumes of this driver are inline in a pod",
        });
    }
    let id = volume_id.parse()?;
    let target = Target::parse(root, &target_path)?;
    let pod = pod(&context)?;
    if pod.uid != *target.pod() {
        return Err(Invalid::OtherPod);
    }
    let Attributes { plan, delivery, user } = Attributes::read(&context)?;
    if readonly != (delivery == Delivery::Node) {
        return Err(Invalid::ReadOnly(delivery));
    }
    // Where kubelet gives secrets, what the context has under the same key is the pod's, and may be forged.
    let tokens = secrets.remove(TOKENS).or(context_tokens);
    if secrets.keys().any(|key| !key.starts_with(KUBELET)) {
        return Err(Invalid::Unsupported {
            what: "`nodePublishSecretRef`",
            fix: "remove it from the volume; the daemon uses the pod's own tokens",
        });
    }
    Ok(Publish {
        id,
        target,
        pod,
        delivery,
        plan,
        owner: Owner { user, group },
        tokens: tokens.map_or(Ok(BTreeMap::new()), |tokens| tokens::parse(&tokens))?,
    })
}

/// Takes an unpublish apart. None: kubelet never gave a volume of ours this id, so that there is nothing to undo.
///
/// # Errors
/// If a part is missing, or the target is not below the kubelet root: a mount could be left there.
pub fn unpublish(
    request: &NodeUnpublishVolumeRequest,
    root: &KubeletRoot,
) -> Result<Option<Unpublish>, Invalid> {
    let NodeUnpublishVolumeRequest {
        volume_id,
        target_path,
    } = request;
    present(volume_id, "volume id")?;
    present(target_path, "target path")?;
    let Ok(id) = volume_id.parse::<VolumeId>() else {
        return Ok(None);
    };
    let target = Target::parse(root, target_path)?;
    Ok(Some(Unpublish { id, target }))
}

fn hide(secrets: HashMap<String, String>) -> HashMap<String, SecretBytes> {
    secrets
        .into_iter()
        .map(|(key, value)| (key, SecretBytes::from(value)))
        .collect()
}

fn present(text: &str, what: &'static str) -> Result<(), Invalid> {
    if text.is_empty() {
        return Err(Invalid::Missing(what));
    }
    Ok(())
}

/// The pod's `fsGroup`, once the rest of the capability is what an inline volume has.
fn group(capability: VolumeCapability) -> Result<Option<u32>, Invalid> {
    let VolumeCapability {
        access_type,
        access_mode,
    } = capability;
    let mount = match access_type {
        Some(AccessType::Mount(mount)) => mount,
        Some(AccessType::Block(_)) => {
            return Err(Invalid::Unsupported {
                what: "a block volume",
                fix: "remove `fsType` from the volume",
            });
        }
        None => return Err(Invalid::Missing("access type")),
    };
    let mode = access_mode.ok_or(Invalid::Missing("access mode"))?.mode();
    if mode != Mode::SingleNodeWriter {
        return Err(Invalid::Unsupported {
            what: "another access mode than SINGLE_NODE_WRITER",
            fix: "volumes of this driver are inline in a pod",
        });
    }
    let MountVolume {
        fs_type,
        mount_flags,
        volume_mount_group,
    } = mount;
    if !fs_type.is_empty() {
        return Err(Invalid::Unsupported {
            what: "`fsType`",
            fix: "remove it from the volume",
        });
    }
    if !mount_flags.is_empty() {
        return Err(Invalid::Unsupported {
            what: "mount options",
            fix: "volumes of this driver are inline in a pod",
        });
    }
    if volume_mount_group.is_empty() {
        return Ok(None);
    }
    number(&volume_mount_group, "the pod's fsGroup").map(Some)
}

fn pod(context: &HashMap<String, String>) -> Result<Pod, Invalid> {
    fn name<T: FromStr<Err = NameError>>(
        context: &HashMap<String, String>,
        key: &'static str,
    ) -> Result<T, Invalid> {
        let text = context.get(key).ok_or(Invalid::PodInfo(key))?;
        Ok(text.parse()?)
    }
    Ok(Pod {
        namespace: name(context, POD_NAMESPACE)?,
        name: name(context, POD_NAME)?,
        uid: name(context, POD_UID)?,
        service_account: name(context, SERVICE_ACCOUNT)?,
    })
}

/// What the webhook writes, and any pod's author may.
struct Attributes {
    plan: Plan,
    delivery: Delivery,
    user: Option<u32>,
}

impl Attributes {
    fn read(context: &HashMap<String, String>) -> Result<Self, Invalid> {
        let known = |key: &str| key.starts_with(KUBELET) || [PLAN, DELIVERY, UID].contains(&key);
        // The first by name, so that an Event repeats itself word for word.
        if let Some(key) = context.keys().filter(|key| !known(key)).min() {
            return Err(Invalid::Attribute(shown(key)));
        }
        let get = |key| context.get(key).map(String::as_str);
        let plan = get(PLAN).ok_or(Invalid::Missing("volume attribute `plan`"))?;
        Ok(Self {
            plan: Plan::parse(plan).map_err(Invalid::Plan)?,
            delivery: match get(DELIVERY) {
                Some("init") => Delivery::Init,
                Some("node") => Delivery::Node,
                Some(_) => return Err(Invalid::Delivery),
                None => return Err(Invalid::Missing("volume attribute `delivery`")),
            },
            user: get(UID)
                .map(|text| number(text, "the volume attribute `uid`"))
                .transpose()?,
        })
    }
}

/// Digits alone, as a program writes them: no sign, no zero in front.
fn number(text: &str, what: &'static str) -> Result<u32, Invalid> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    match text.parse() {
        Ok(number) if plain && number <= MAX_ID => Ok(number),
        _ => Err(Invalid::Id { what }),
    }
}

/// A key of a stranger's choosing, as it can be shown.
fn shown(key: &str) -> String {
    key.chars().take(64).flat_map(char::escape_debug).collect()
}
