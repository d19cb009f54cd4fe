use std::collections::HashMap;
use std::sync::Arc;

use esi_core::{Classify as _, Code, SecretBytes};
use tonic::Request;

use super::read::{publish, unpublish};
use super::*;
use crate::csi::proto::csi::node_server::Node as _;
use crate::csi::proto::csi::volume_capability::access_mode::Mode;
use crate::csi::proto::csi::volume_capability::{AccessMode, AccessType, BlockVolume, MountVolume};
use crate::csi::proto::csi::{
    NodeGetInfoRequest, NodePublishVolumeRequest, NodeUnpublishVolumeRequest, VolumeCapability,
};
use crate::request::{Delivery, KubeletRoot, Owner, Publish, Unpublish};
use crate::volume::{Driver, PublishError, UnpublishError};

const PLAN: &str = r#"{"version":1,"binding":"db","source":{"generator":{"kind":"PostgreSQL","namespace":"platform","name":"shop"}},"files":[{"path":"db.json","format":"json"}]}"#;
const TOKENS: &str = "csi.storage.k8s.io/serviceAccount.tokens";

fn root() -> KubeletRoot {
    KubeletRoot::new("/var/lib/kubelet").unwrap()
}

fn id() -> String {
    format!("csi-{}", "0f".repeat(32))
}

fn mount(edit: impl FnOnce(&mut MountVolume)) -> VolumeCapability {
    let mut mount = MountVolume::default();
    edit(&mut mount);
    VolumeCapability {
        access_type: Some(AccessType::Mount(mount)),
        access_mode: Some(AccessMode {
            mode: Mode::SingleNodeWriter.into(),
        }),
    }
}

/// What kubelet sends for a volume of delivery `node`.
fn request() -> NodePublishVolumeRequest {
    let context = [
        ("csi.storage.k8s.io/ephemeral", "true"),
        ("csi.storage.k8s.io/pod.name", "web-0"),
        ("csi.storage.k8s.io/pod.namespace", "shop"),
        ("csi.storage.k8s.io/pod.uid", "u-1"),
        ("csi.storage.k8s.io/serviceAccount.name", "web"),
        ("plan", PLAN),
        ("delivery", "node"),
    ];
    NodePublishVolumeRequest {
        volume_id: id(),
        target_path: "/var/lib/kubelet/pods/u-1/volumes/kubernetes.io~csi/esi-db/mount".to_owned(),
        volume_capability: Some(mount(|_| ())),
        readonly: true,
        volume_context: context
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .into(),
        ..Default::default()
    }
}

fn tokens(token: &str) -> String {
    format!(r#"{{"esi":{{"token":"{token}","expirationTimestamp":"2026-11-25T00:00:00Z"}}}}"#)
}

fn set(map: &mut HashMap<String, String>, key: &str, value: &str) {
    map.insert(key.to_owned(), value.to_owned());
}

fn token_of(publish: &Publish) -> &str {
    publish.tokens["esi"].expose_str().unwrap()
}

#[test]
fn a_request_of_kubelets_is_taken_apart() {
    let mut request = request();
    request.volume_capability = Some(mount(|mount| mount.volume_mount_group = "2000".to_owned()));
    set(&mut request.volume_context, "uid", "1000");
    set(&mut request.secrets, TOKENS, &tokens("t"));
    let publish = publish(request, &root()).unwrap();
    assert_eq!(publish.id.as_str(), id());
    assert_eq!(publish.target.volume(), "esi-db");
    assert_eq!(publish.pod.namespace.as_str(), "shop");
    assert_eq!(publish.pod.name.as_str(), "web-0");
    assert_eq!(publish.pod.uid.as_str(), "u-1");
    assert_eq!(publish.pod.service_account.as_str(), "web");
    assert_eq!(publish.delivery, Delivery::Node);
    assert_eq!(publish.plan.binding.as_str(), "db");
    let owner = Owner {
        user: Some(1000),
        group: Some(2000),
    };
    assert_eq!(publish.owner, owner);
    assert_eq!(token_of(&publish), "t");
}

#[test]
fn tokens_of_an_older_kubelet_are_in_the_context() {
    let mut request = request();
    set(&mut request.volume_context, TOKENS, &tokens("context"));
    assert_eq!(token_of(&publish(request, &root()).unwrap()), "context");
}

#[test]
fn where_kubelet_gives_secrets_a_pod_cannot_forge_a_token_in_the_context() {
    let mut request = request();
    set(&mut request.secrets, TOKENS, &tokens("secret"));
    set(&mut request.volume_context, TOKENS, &tokens("forged"));
    assert_eq!(token_of(&publish(request, &root()).unwrap()), "secret");
}

#[test]
fn a_volume_without_tokens_has_none() {
    assert!(publish(request(), &root()).unwrap().tokens.is_empty());
}

#[test]
fn an_init_volume_is_writable() {
    let mut request = request();
    set(&mut request.volume_context, "delivery", "init");
    request.readonly = false;
    assert_eq!(publish(request, &root()).unwrap().delivery, Delivery::Init);
}

/// Takes something from a good request, or puts something in.
type Edit = fn(&mut NodePublishVolumeRequest);

#[test]
fn what_is_not_ours_is_refused_with_its_place() {
    let cases: Vec<(&str, Edit, &str)> = vec![
        ("no_id", |r| r.volume_id.clear(), "volume id"),
        ("no_target", |r| r.target_path.clear(), "target path"),
        (
            "no_capability",
            |r| r.volume_capability = None,
            "volume capability",
        ),
        (
            "not_ephemeral",
            |r| set(&mut r.volume_context, "csi.storage.k8s.io/ephemeral", "false"),
            "podInfoOnMount",
        ),
        ("no_pod_info", |r| r.volume_context.clear(), "podInfoOnMount"),
        (
            "no_namespace",
            |r| drop(r.volume_context.remove("csi.storage.k8s.io/pod.namespace")),
            "pod.namespace",
        ),
        (
            "no_service_account",
            |r| drop(r.volume_context.remove("csi.storage.k8s.io/serviceAccount.name")),
            "serviceAccount.name",
        ),
        (
            "block",
            |r| r.volume_capability.as_mut().unwrap().access_type = Some(AccessType::Block(BlockVolume {})),
            "block",
        ),
        (
            "no_access_type",
            |r| r.volume_capability.as_mut().unwrap().access_type = None,
            "access type",
        ),
        (
            "no_access_mode",
            |r| r.volume_capability.as_mut().unwrap().access_mode = None,
            "access mode",
        ),
        (
            "reader",
            |r| {
                r.volume_capability
                    .as_mut()
                    .unwrap()
                    .access_mode
                    .as_mut()
                    .unwrap()
                    .mode = 2
            },
            "SINGLE_NODE_WRITER",
        ),
        (
            "future_mode",
            |r| {
                r.volume_capability
                    .as_mut()
                    .unwrap()
                    .access_mode
                    .as_mut()
                    .unwrap()
                    .mode = 99
            },
            "SINGLE_NODE_WRITER",
        ),
        (
            "file_system",
            |r| r.volume_capability = Some(mount(|m| m.fs_type = "ext4".to_owned())),
            "fsType",
        ),
        (
            "mount_flags",
            |r| r.volume_capability = Some(mount(|m| m.mount_flags = vec!["suid".to_owned()])),
            "mount options",
        ),
        (
            "group_with_sign",
            |r| r.volume_capability = Some(mount(|m| m.volume_mount_group = "+1".to_owned())),
            "fsGroup",
        ),
        (
            "group_unchanged",
            |r| r.volume_capability = Some(mount(|m| m.volume_mount_group = "4294967295".to_owned())),
            "fsGroup",
        ),
        ("staging", |r| r.staging_target_path = "/x".to_owned(), "staging"),
        ("foreign_id", |r| r.volume_id = "csi-../x".to_owned(), "volume id"),
        (
            "elsewhere",
            |r| r.target_path = "/etc/passwd".to_owned(),
            "target path",
        ),
        (
            "another_pod",
            |r| r.target_path = r.target_path.replace("u-1", "u-2"),
            "another pod",
        ),
        (
            "bad_name",
            |r| set(&mut r.volume_context, "csi.storage.k8s.io/pod.name", "../x"),
            "object name",
        ),
        ("no_plan", |r| drop(r.volume_context.remove("plan")), "`plan`"),
        (
            "bad_plan",
            |r| set(&mut r.volume_context, "plan", &PLAN.replace("db.json", "../x")),
            "files[0].path",
        ),
        (
            "plan_with_more",
            |r| {
                set(
                    &mut r.volume_context,
                    "plan",
                    &PLAN.replace("version", "x\":1,\"version"),
                )
            },
            "unknown field",
        ),
        (
            "no_delivery",
            |r| drop(r.volume_context.remove("delivery")),
            "`delivery`",
        ),
        (
            "other_delivery",
            |r| set(&mut r.volume_context, "delivery", "Node"),
            "`delivery`",
        ),
        ("writable_node", |r| r.readonly = false, "readOnly: true"),
        (
            "read_only_init",
            |r| set(&mut r.volume_context, "delivery", "init"),
            "must not have",
        ),
        (
            "negative_user",
            |r| set(&mut r.volume_context, "uid", "-1"),
            "`uid`",
        ),
        (
            "octal_user",
            |r| set(&mut r.volume_context, "uid", "010"),
            "`uid`",
        ),
        ("no_number", |r| set(&mut r.volume_context, "uid", ""), "`uid`"),
        (
            "user_unchanged",
            |r| set(&mut r.volume_context, "uid", "4294967295"),
            "`uid`",
        ),
        (
            "unknown_attribute",
            |r| set(&mut r.volume_context, "size", "1G"),
            "`size`",
        ),
        (
            "secret_reference",
            |r| set(&mut r.secrets, "password", "hunter2"),
            "nodePublishSecretRef",
        ),
        (
            "bad_tokens",
            |r| set(&mut r.secrets, TOKENS, r#"{"esi":{"token":hunter2}}"#),
            "tokens",
        ),
    ];
    for (case, edit, place) in cases {
        let mut request = request();
        edit(&mut request);
        let error = publish(request, &root()).unwrap_err();
        assert!(error.to_string().contains(place), "{case}: {error}");
        assert!(
            !format!("{error} {error:?}").contains("hunter2"),
            "{case}: a secret is shown"
        );
        assert_eq!(error.code(), Code::InvalidArgument, "{case}");
    }
}

#[test]
fn what_is_missed_first_is_what_csi_sanity_takes_away_first() {
    let empty = NodePublishVolumeRequest::default();
    assert!(
        publish(empty, &root())
            .unwrap_err()
            .to_string()
            .contains("volume id")
    );
    let with_id = NodePublishVolumeRequest {
        volume_id: "any".to_owned(),
        ..Default::default()
    };
    assert!(
        publish(with_id, &root())
            .unwrap_err()
            .to_string()
            .contains("target path")
    );
}

fn unpublish_request(id: &str, target: &str) -> NodeUnpublishVolumeRequest {
    NodeUnpublishVolumeRequest {
        volume_id: id.to_owned(),
        target_path: target.to_owned(),
    }
}

#[test]
fn an_unpublish_needs_an_id_and_a_target_below_the_root() {
    let target = request().target_path;
    assert!(unpublish(&unpublish_request("", &target), &root()).is_err());
    assert!(unpublish(&unpublish_request(&id(), ""), &root()).is_err());
    assert!(unpublish(&unpublish_request(&id(), "/elsewhere"), &root()).is_err());
    let read = unpublish(&unpublish_request(&id(), &target), &root())
        .unwrap()
        .unwrap();
    assert_eq!(read.id.as_str(), id());
}

#[test]
fn an_id_that_was_never_ours_is_gone_already() {
    assert_eq!(
        unpublish(&unpublish_request("pvc-1", "/any"), &root()).unwrap(),
        None
    );
}

/// Volumes on which nothing can be done.
#[derive(Debug)]
struct Volumes;

#[tonic::async_trait]
impl Driver for Volumes {
    async fn publish(&self, _: Publish) -> Result<(), PublishError> {
        std::future::pending().await
    }

    async fn unpublish(&self, _: Unpublish) -> Result<(), UnpublishError> {
        Err(UnpublishError::Busy)
    }
}

fn service() -> NodeService {
    NodeService::new(root(), "node-1".parse().unwrap(), Arc::new(Volumes))
}

#[tokio::test(start_paused = true)]
async fn a_publish_that_is_stuck_ends_before_kubelets_patience_with_a_code_that_is_not_final() {
    let begun = tokio::time::Instant::now();
    let status = service()
        .node_publish_volume(Request::new(request()))
        .await
        .unwrap_err();
    assert_eq!(status.code(), tonic::Code::DeadlineExceeded);
    assert!(begun.elapsed() < std::time::Duration::from_secs(120));
}

#[tokio::test]
async fn an_error_of_the_volumes_is_kubelets_code() {
    let service = service();
    let request = unpublish_request(&id(), &request().target_path);
    let status = service
        .node_unpublish_volume(Request::new(request))
        .await
        .unwrap_err();
    assert_eq!(status.code(), tonic::Code::Aborted);
}

#[tokio::test]
async fn a_message_fits_into_a_header() {
    let mut request = request();
    let long = format!(r#"{{"version":1,"{}":1}}"#, "ü".repeat(30_000));
    set(&mut request.volume_context, "plan", &long);
    let service = service();
    let status = service
        .node_publish_volume(Request::new(request))
        .await
        .unwrap_err();
    assert_eq!(status.code(), tonic::Code::InvalidArgument);
    assert!(status.message().len() <= 2100, "{} bytes", status.message().len());
}

#[tokio::test]
async fn the_node_is_who_it_was_told_to_be_without_a_limit_of_volumes() {
    let info = service()
        .node_get_info(Request::new(NodeGetInfoRequest {}))
        .await
        .unwrap()
        .into_inner();
    assert_eq!((info.node_id.as_str(), info.max_volumes_per_node), ("node-1", 0));
}

#[test]
fn a_token_is_not_printed() {
    let mut request = request();
    set(&mut request.secrets, TOKENS, &tokens("hunter2"));
    let publish = publish(request, &root()).unwrap();
    assert!(!format!("{publish:?}").contains("hunter2"));
    let _: &SecretBytes = &publish.tokens["esi"];
}
