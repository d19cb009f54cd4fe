//! The tree of crates that the binary is made of: small, and without what only servers need.

use std::process::Command;

/// Each would bring a server, a second HTTP client, a second crypto provider, or a megabyte.
const ABSENT: [&str; 14] = [
    "axum",
    "clap",
    "kube",
    "k8s-openapi",
    "native-tls",
    "openssl-sys",
    "regex",
    "reqwest",
    "ring",
    "rustls-native-certs",
    "sqlx",
    "tracing-subscriber",
    "vaultrs",
    "webpki-roots",
];

#[test]
fn the_binary_has_no_crate_that_only_servers_need() {
    let output = Command::new(env!("CARGO"))
        .args([
            "tree",
            "-p",
            "esi-cli",
            "-e",
            "normal",
            "--prefix",
            "none",
            "--format",
            "{p} [{f}]",
            "--offline",
        ])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let tree = String::from_utf8(output.stdout).unwrap();
    let line_of = |name: &str| tree.lines().find(|line| line.split(' ').next() == Some(name));
    assert!(line_of("tonic").is_some(), "this is not the tree:\n{tree}");
    for name in ABSENT {
        assert_eq!(line_of(name), None);
    }
    // The HTTP crates are there for the client; their servers are not.
    for name in ["hyper", "hyper-util", "tonic"] {
        let line = line_of(name).unwrap();
        assert!(!line.contains("server") && !line.contains("router"), "{line}");
    }
}
