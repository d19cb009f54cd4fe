//! A publish request of kubelet's: read as bytes of a message, and as a good one with what a pod's author may write.

#![no_main]

use esi_node::csi::node::read::publish;
use esi_node::csi::proto::csi::NodePublishVolumeRequest;
use esi_node::csi::proto::csi::VolumeCapability;
use esi_node::csi::proto::csi::volume_capability::{AccessMode, AccessType, MountVolume};
use esi_node::request::{Delivery, KubeletRoot};
use libfuzzer_sys::fuzz_target;
use prost::Message as _;

const TARGET: &str = "/var/lib/kubelet/pods/u-1/volumes/kubernetes.io~csi/esi-db/mount";
const PLAN: &str = r#"{"version":1,"binding":"db","source":{"generator":{"kind":"A","namespace":"b","name":"c"}},"files":[{"path":"f","format":"json"}]}"#;

fn check(request: NodePublishVolumeRequest) {
    let root = KubeletRoot::new("/var/lib/kubelet").unwrap();
    let (id, target, readonly) = (
        request.volume_id.clone(),
        request.target_path.clone(),
        request.readonly,
    );
    match publish(request, &root) {
        Ok(publish) => {
            assert_eq!(publish.id.as_str(), id);
            assert_eq!(publish.target.path(&root).to_str(), Some(target.as_str()));
            assert_eq!(publish.target.pod(), &publish.pod.uid);
            assert!(target.starts_with("/var/lib/kubelet/pods/") && !target.contains("/../"));
            assert_eq!(readonly, publish.delivery == Delivery::Node);
            for id in [publish.owner.user, publish.owner.group].into_iter().flatten() {
                assert!(id <= i32::MAX as u32);
            }
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

/// A good request, with lines `key=value` of a pod's author in its context; `secret:`, `group:`, `id:` and `target:` go
/// to the other fields.
fn written(text: &str) -> NodePublishVolumeRequest {
    let mut mount = MountVolume::default();
    let said = [
        ("csi.storage.k8s.io/ephemeral", "true"),
        ("csi.storage.k8s.io/pod.name", "web-0"),
        ("csi.storage.k8s.io/pod.namespace", "shop"),
        ("csi.storage.k8s.io/pod.uid", "u-1"),
        ("csi.storage.k8s.io/serviceAccount.name", "web"),
        ("plan", PLAN),
        ("delivery", "node"),
    ];
    let mut request = NodePublishVolumeRequest {
        volume_id: format!("csi-{}", "0f".repeat(32)),
        target_path: TARGET.to_owned(),
        readonly: !text.contains("=init"),
        volume_context: said.map(|(key, value)| (key.to_owned(), value.to_owned())).into(),
        ..NodePublishVolumeRequest::default()
    };
    for line in text.split('\n').take(32) {
        let (key, value) = line.split_once('=').unwrap_or((line, ""));
        let (field, rest) = key.split_once(':').unwrap_or(("", key));
        match field {
            "secret" => _ = request.secrets.insert(rest.to_owned(), value.to_owned()),
            "group" => mount.volume_mount_group = value.to_owned(),
            "id" => request.volume_id = value.to_owned(),
            "target" => request.target_path = value.to_owned(),
            _ => _ = request.volume_context.insert(key.to_owned(), value.to_owned()),
        }
    }
    request.volume_capability = Some(VolumeCapability {
        access_type: Some(AccessType::Mount(mount)),
        access_mode: Some(AccessMode { mode: 1 }),
    });
    request
}

fuzz_target!(|input: &[u8]| {
    if let Ok(request) = NodePublishVolumeRequest::decode(input) {
        check(request);
    }
    if let Ok(text) = std::str::from_utf8(input) {
        check(written(text));
    }
});
