//! The conformance test of the Container Storage Interface.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use esi_tests::node::Daemon;

/// Builds it where it is not built: see `tests/csi-sanity/build`.
fn csi_sanity() -> PathBuf {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/csi-sanity/build");
    let output = Command::new(script).stderr(Stdio::inherit()).output().unwrap();
    assert!(
        output.status.success(),
        "csi-sanity cannot be built: see the end of its output"
    );
    PathBuf::from(String::from_utf8(output.stdout).unwrap().trim())
}

/// Identity and Node: the rest of it is about controllers, which a driver of inline volumes has none of. The command
/// that makes target paths is given so that the one test that would first create a volume with a controller is skipped.
#[tokio::test]
async fn the_conformance_test_passes_for_a_node_plugin() {
    let program = csi_sanity();
    let (daemon, kubelet) = Daemon::start().await.unwrap();
    let output = Command::new(program)
        .arg(format!("-csi.endpoint=unix://{}", kubelet.endpoint().display()))
        .arg(format!(
            "-csi.mountdir={}",
            daemon.root().join("pods/sanity").display()
        ))
        .args(["-csi.createmountpathcmd=/bin/true", "-ginkgo.no-color"])
        .arg("-ginkgo.focus=Identity Service|Node Service")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}\n{}", daemon.log());
    // Skipped is not passed: what concerns such a driver has run.
    let passed: u32 = text
        .lines()
        .find_map(|line| {
            line.split_once(" -- ")?
                .1
                .split_once(" Passed")?
                .0
                .trim()
                .parse()
                .ok()
        })
        .expect("a count of what passed");
    assert!(passed >= 10, "{text}");
}
