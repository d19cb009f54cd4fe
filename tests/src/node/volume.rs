//! An inline volume of a pod, as its spec and the CSIDriver object say it.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use aws_lc_rs::digest::{SHA256, digest};
use data_encoding::HEXLOWER;
use esi_node::csi::proto::csi::volume_capability::access_mode::Mode;
use esi_node::csi::proto::csi::volume_capability::{AccessMode, AccessType, MountVolume};
use esi_node::csi::proto::csi::{NodePublishVolumeRequest, NodeUnpublishVolumeRequest, VolumeCapability};
use serde_json::{Value, json};

const TOKENS: &str = "csi.storage.k8s.io/serviceAccount.tokens";

/// A volume: what its pod's author wrote, and what kubelet adds.
#[derive(Debug, Clone)]
pub struct Volume {
    /// Its name in the pod.
    pub name: String,
    /// The pod's.
    pub pod_uid: String,
    /// The pod's.
    pub pod_name: String,
    /// The pod's.
    pub namespace: String,
    /// The pod's.
    pub service_account: String,
    /// `csi.volumeAttributes`.
    pub attributes: HashMap<String, String>,
    /// `csi.readOnly`.
    pub read_only: bool,
    /// The pod's `fsGroup`.
    pub fs_group: Option<u32>,
    /// The pod's tokens, by audience.
    pub tokens: HashMap<String, String>,
    /// Whether tokens are in `secrets` (Kubernetes 1.35 and newer) or in `volume_context`.
    pub tokens_in_secrets: bool,
}

impl Volume {
    /// A volume of the binding `db` that the pod's init container fills.
    #[must_use]
    pub fn init(pod_uid: &str) -> Self {
        let plan = json!({
            "version": 1,
            "binding": "db",
            "source": {"generator": {"kind": "PostgreSQL", "namespace": "platform", "name": "shop"}},
            "files": [{"path": "db.json", "format": "json"}],
        });
        Self {
            name: "esi-db".to_owned(),
            pod_uid: pod_uid.to_owned(),
            pod_name: "web-0".to_owned(),
            namespace: "shop".to_owned(),
            service_account: "web".to_owned(),
            attributes: HashMap::new(),
            read_only: false,
            fs_group: None,
            tokens: HashMap::new(),
            tokens_in_secrets: true,
        }
        .with_plan(&plan)
        .with("delivery", "init")
    }

    /// The same, filled by the daemon.
    #[must_use]
    pub fn node(pod_uid: &str) -> Self {
        let mut volume = Self::init(pod_uid).with("delivery", "node");
        volume.read_only = true;
        volume
    }

    /// With this attribute.
    #[must_use]
    pub fn with(mut self, attribute: &str, value: &str) -> Self {
        self.attributes.insert(attribute.to_owned(), value.to_owned());
        self
    }

    /// With this plan, in a volume of its binding's name.
    #[must_use]
    pub fn with_plan(mut self, plan: &Value) -> Self {
        if let Some(binding) = plan["binding"].as_str() {
            self.name = format!("esi-{binding}");
        }
        self.with("plan", &plan.to_string())
    }

    /// With this token for this audience.
    #[must_use]
    pub fn with_token(mut self, audience: &str, token: &str) -> Self {
        self.tokens.insert(audience.to_owned(), token.to_owned());
        self
    }

    /// As kubelet makes it (`makeVolumeHandle`).
    #[must_use]
    pub fn id(&self) -> String {
        let name = format!("{}{}", self.pod_uid, self.name);
        format!(
            "csi-{}",
            HEXLOWER.encode(digest(&SHA256, name.as_bytes()).as_ref())
        )
    }

    /// kubelet's directory of the volume.
    #[must_use]
    pub fn directory(&self, root: &Path) -> PathBuf {
        root.join("pods")
            .join(&self.pod_uid)
            .join("volumes/kubernetes.io~csi")
            .join(&self.name)
    }

    /// Where it is to be mounted.
    #[must_use]
    pub fn target(&self, root: &Path) -> PathBuf {
        self.directory(root).join("mount")
    }

    pub(super) fn publish_request(&self, root: &Path) -> NodePublishVolumeRequest {
        let mut context = self.attributes.clone();
        let said = [
            ("ephemeral", "true"),
            ("pod.name", &self.pod_name),
            ("pod.namespace", &self.namespace),
            ("pod.uid", &self.pod_uid),
            ("serviceAccount.name", &self.service_account),
        ];
        let said = said.map(|(key, value)| (format!("csi.storage.k8s.io/{key}"), value.to_owned()));
        // What kubelet says overwrites what the pod says.
        context.extend(said);
        let mut secrets = HashMap::new();
        if !self.tokens.is_empty() {
            let tokens: HashMap<_, _> = self
                .tokens
                .iter()
                .map(|(audience, token)| {
                    let token = json!({"token": token, "expirationTimestamp": "2030-01-01T00:00:00Z"});
                    (audience, token)
                })
                .collect();
            let place = if self.tokens_in_secrets {
                &mut secrets
            } else {
                &mut context
            };
            place.insert(TOKENS.to_owned(), json!(tokens).to_string());
        }
        let mount = MountVolume {
            volume_mount_group: self.fs_group.map(|group| group.to_string()).unwrap_or_default(),
            ..MountVolume::default()
        };
        NodePublishVolumeRequest {
            volume_id: self.id(),
            target_path: self.target(root).display().to_string(),
            volume_capability: Some(VolumeCapability {
                access_type: Some(AccessType::Mount(mount)),
                access_mode: Some(AccessMode {
                    mode: Mode::SingleNodeWriter.into(),
                }),
            }),
            readonly: self.read_only,
            secrets,
            volume_context: context,
            ..NodePublishVolumeRequest::default()
        }
    }

    pub(super) fn unpublish_request(&self, root: &Path) -> NodeUnpublishVolumeRequest {
        NodeUnpublishVolumeRequest {
            volume_id: self.id(),
            target_path: self.target(root).display().to_string(),
        }
    }
}
