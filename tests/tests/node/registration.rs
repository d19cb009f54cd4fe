//! How kubelet comes to know the daemon, and how it hears of its end.

use esi_tests::eventually;
use esi_tests::node::{Daemon, Kubelet};

const DRIVER: &str = "esi.csi.external-secrets.io";

async fn get(url: &str) -> (u16, String) {
    // Another test of this process may have been first.
    esi_runtime::crypto::install().ok();
    let answer = reqwest::get(url).await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

#[tokio::test]
async fn kubelet_registers_the_daemon_which_is_ready_from_then_on() {
    let mut daemon = Daemon::prepare().unwrap();
    daemon.run().unwrap();
    let kubelet = Kubelet::unregistered(&daemon.root(), DRIVER);
    eventually("the daemon answers", async || kubelet.is_there().await).await;
    let admin = daemon.admin().unwrap();
    let (status, awaited) = get(&format!("{admin}/readyz")).await;
    assert_eq!(
        (status, awaited.as_str()),
        (503, "awaiting registration with kubelet\n")
    );

    let kubelet = daemon.register().await.unwrap();
    assert_eq!(kubelet.node_name().await.unwrap(), "node-1");
    eventually("it is ready", async || {
        get(&format!("{admin}/readyz")).await.0 == 200
    })
    .await;
    assert_eq!(get(&format!("{admin}/healthz")).await.0, 200);
}

#[tokio::test]
async fn a_refused_daemon_is_not_ready_and_comes_again() {
    use std::os::unix::fs::MetadataExt as _;
    let (daemon, kubelet) = Daemon::start().await.unwrap();
    let socket = kubelet.registration_socket().await;
    let made = |path: &std::path::Path| std::fs::metadata(path).and_then(|found| found.created()).ok();
    let (before, inode) = (made(&socket), std::fs::metadata(&socket).unwrap().ino());
    kubelet.notify(false).await.unwrap();
    let admin = daemon.admin().unwrap();
    eventually("it is not ready", async || {
        get(&format!("{admin}/readyz")).await.0 == 503
    })
    .await;
    eventually("the socket is another file", async || {
        let found = std::fs::metadata(&socket);
        found.is_ok_and(|found| found.ino() != inode || found.created().ok() != before)
    })
    .await;
    let kubelet = Kubelet::register(&daemon.root(), DRIVER).await.unwrap();
    eventually("it is ready", async || {
        get(&format!("{admin}/readyz")).await.0 == 200
    })
    .await;
    drop(kubelet);
}

#[tokio::test]
async fn a_socket_that_was_taken_away_fails_the_health_check_and_comes_again() {
    let (daemon, kubelet) = Daemon::start().await.unwrap();
    let admin = daemon.admin().unwrap();
    std::fs::remove_file(kubelet.endpoint()).unwrap();
    let (status, why) = get(&format!("{admin}/healthz")).await;
    // It may have come again already.
    assert!(
        status == 200 || why.contains("csi.sock does not answer"),
        "{status} {why}"
    );
    eventually("it is healthy", async || {
        get(&format!("{admin}/healthz")).await.0 == 200
    })
    .await;
    assert_eq!(kubelet.node_name().await.unwrap(), "node-1");
}

#[tokio::test]
async fn a_stop_leaves_no_sockets_and_a_start_takes_the_place_of_killed_ones() {
    let (mut daemon, kubelet) = Daemon::start().await.unwrap();
    let socket = kubelet.registration_socket().await;
    daemon.process_mut().unwrap().kill().unwrap();
    assert!(socket.exists(), "a killed daemon cannot remove it");
    daemon.run().unwrap();
    let kubelet = daemon.register().await.unwrap();
    daemon.process().unwrap().signal("TERM").unwrap();
    let status = daemon.process_mut().unwrap().wait().unwrap();
    assert!(status.success(), "{}", daemon.log());
    assert!(!socket.exists() && !kubelet.endpoint().exists());
}
