//! No issued secret is at rest on our side.

use std::path::Path;

use esi_tests::federation::value;
use esi_tests::issuer::Pod;

use super::world::{SHOP, World};

fn contains(haystack: &[u8], needle: &str) -> bool {
    haystack
        .windows(needle.len())
        .any(|window| window == needle.as_bytes())
}

/// Every file below a directory.
fn files(dir: &Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path))
        } else {
            found.push(path)
        }
    }
    found
}

#[tokio::test]
async fn log_ledger_and_metrics_hold_no_secret_that_was_issued_and_no_token() {
    let mut world = World::prepare().await;
    world.federation.flags(&["--log", "trace"]);
    world.federation.start().unwrap();
    let mut secrets = vec![world.fixture.admin_password.clone()];
    for _ in 0..5 {
        let pod = Pod::new();
        let token = world.federation.issuer.token(&pod);
        // The signature is what makes a token one.
        secrets.push(token.rsplit('.').next().unwrap().to_owned());
        let mut client = world.federation.client_with(&token).await.unwrap();
        secrets.push(value(&client.issue(SHOP).await.unwrap(), "password"));
        client.acknowledge(1).await.unwrap();
        secrets.push(value(&client.issue(SHOP).await.unwrap(), "password"));
        client.revoke().await.unwrap();
    }
    // A refusal is logged as well.
    world
        .federation
        .client_with(&secrets[1])
        .await
        .unwrap()
        .issue(SHOP)
        .await
        .unwrap_err();
    // Whichever test comes first installs it; alone, this one does.
    drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
    let metrics = reqwest::get(format!("http://{}/metrics", world.federation.admin()))
        .await
        .unwrap()
        .bytes()
        .await
        .unwrap();
    assert!(contains(&metrics, "esi_calls_total"), "the metrics were read");
    let limits = format!("/proc/{}/limits", world.federation.process().pid());
    let limits = std::fs::read_to_string(limits).unwrap();
    let core = limits.lines().find(|line| line.starts_with("Max core file size"));
    let core: Vec<_> = core.unwrap().split_whitespace().collect();
    assert_eq!(core[4..6], ["0", "0"], "it can leave no core dump");
    world.federation.process().kill().unwrap();

    let log = world.federation.log();
    assert!(log.contains("\"event\":\"issued\""), "the log was read");
    let ledger: Vec<_> = files(world.federation.dir())
        .into_iter()
        .filter(|path| {
            path.file_name()
                .unwrap()
                .to_string_lossy()
                .starts_with("ledger.db")
        })
        .map(|path| std::fs::read(path).unwrap())
        .collect();
    assert!(
        ledger
            .iter()
            .any(|bytes| contains(bytes, SHOP.rsplit('/').next().unwrap())),
        "the ledger was read"
    );
    for secret in &secrets {
        assert!(!log.contains(secret), "the log has {secret}");
        assert!(!contains(&metrics, secret), "the metrics have {secret}");
        assert!(
            !ledger.iter().any(|bytes| contains(bytes, secret)),
            "the ledger has {secret}"
        );
    }
}
