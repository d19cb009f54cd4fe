//! Volumes of delivery `init`, from kubelet's first call to its last, as kubelet makes them.

use std::fs;
use std::os::unix::fs::MetadataExt as _;

use esi_tests::node::{Daemon, Volume};

const UID: &str = "0b4b3b2e-7a3c-4c58-9d0e-111111111111";

#[tokio::test]
async fn a_volume_is_mounted_once_however_often_kubelet_asks_and_then_gone() {
    let (daemon, kubelet) = Daemon::start().await.unwrap();
    let mut volume = Volume::init(UID).with("uid", "1000");
    volume.fs_group = Some(2000);
    kubelet.publish(&volume).await.unwrap();
    let target = volume.target(&daemon.root());
    let inside = daemon.inside(&target).unwrap();
    let root = fs::metadata(&inside).unwrap();
    assert_eq!(root.gid(), 2000);
    fs::write(inside.join("written"), "by the init container").unwrap();

    // kubelet asks again with every event of the pod, and with a fresh token.
    for token in ["second", "third"] {
        kubelet
            .publish(&volume.clone().with_token("esi", token))
            .await
            .unwrap();
    }
    let mounts = daemon.mounts(target.to_str().unwrap()).unwrap();
    assert_eq!(mounts.len(), 1, "{mounts:#?}");
    for option in ["nosuid", "nodev", "noexec", "tmpfs"] {
        assert!(mounts[0].contains(option), "{option}: {mounts:?}");
    }
    assert!(inside.join("written").exists(), "a republish touches nothing");

    kubelet.unpublish(&volume).await.unwrap();
    assert!(daemon.mounts(target.to_str().unwrap()).unwrap().is_empty());
    assert!(!volume.directory(&daemon.root()).exists());
    kubelet.unpublish(&volume).await.unwrap();
}

#[tokio::test]
async fn a_volume_for_which_there_is_no_server_is_tried_again_until_it_is_given_up() {
    let (daemon, kubelet) = Daemon::start().await.unwrap();
    let volume = Volume::node(UID).with_token("esi", "hunter2");
    let status = kubelet.publish(&volume).await.unwrap_err();
    // Not final: kubelet unpublishes what it believes may be there.
    assert_eq!(status.code(), tonic::Code::Unavailable, "{status}");
    kubelet.unpublish(&volume).await.unwrap();
    assert!(daemon.mounts(UID).unwrap().is_empty());
    assert!(!daemon.log().contains("hunter2"), "a token is logged");
}

#[tokio::test]
async fn what_a_pod_writes_is_refused_before_anything_is_done_and_named() {
    let (daemon, kubelet) = Daemon::start().await.unwrap();
    let volume = Volume::init(UID).with("size", "1G");
    let status = kubelet.publish(&volume).await.unwrap_err();
    assert_eq!(status.code(), tonic::Code::InvalidArgument);
    assert!(status.message().contains("`size`"), "{status}");
    assert!(!volume.target(&daemon.root()).exists());
}
