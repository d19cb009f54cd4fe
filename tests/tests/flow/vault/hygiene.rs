//! Nothing that Vault gives, and nothing that opens it, is at rest on our side.
//!
//! The tokens that the server works with are shown by nobody, so they are read on the wire: the server reaches Vault
//! through a relay.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use esi_tests::federation::value;
use esi_tests::issuer::Pod;
use esi_tests::postgres::{Postgres, Release};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy};
use tokio::net::{TcpListener, TcpStream};
use tonic::Code;

use super::world::{OTP, SHOP, World};
use crate::vault::backend::shared;

/// What has been sent to Vault.
#[derive(Clone, Default)]
struct Sent(Arc<Mutex<Vec<u8>>>);

impl Sent {
    /// Every token that was used, by its header.
    fn tokens(&self) -> BTreeSet<String> {
        let sent = self.0.lock().unwrap();
        String::from_utf8_lossy(&sent)
            .lines()
            .filter_map(|line| line.split_once(": "))
            .filter(|(name, _)| name.eq_ignore_ascii_case("x-vault-token"))
            .map(|(_, token)| token.trim().to_owned())
            .collect()
    }
}

/// A relay to `address`; its own address.
async fn relay(address: &str, sent: Sent) -> String {
    let target = address.strip_prefix("http://").unwrap().to_owned();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let own = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        loop {
            let (client, _) = listener.accept().await.unwrap();
            let (mut from_client, mut to_client) = client.into_split();
            let (mut from_vault, mut to_vault) = TcpStream::connect(&target).await.unwrap().into_split();
            // Either side may hang up at any time.
            tokio::spawn(async move { copy(&mut from_vault, &mut to_client).await.ok() });
            let sent = sent.clone();
            tokio::spawn(async move {
                let mut buffer = vec![0; 16 * 1024];
                while let Ok(count @ 1..) = from_client.read(&mut buffer).await {
                    sent.0.lock().unwrap().extend_from_slice(&buffer[..count]);
                    if to_vault.write_all(&buffer[..count]).await.is_err() {
                        return;
                    }
                }
            });
        }
    });
    own
}

#[tokio::test]
async fn log_ledger_and_metrics_hold_no_credential_of_vaults_and_nothing_that_opens_it() {
    let sent = Sent::default();
    let postgres = Postgres::shared(Release::System);
    let mut world = World::prepare(shared(), postgres, json!({"token_ttl": "1m"})).await;
    // The most that it can be made to say.
    world.federation.flags(&["--log", "trace"]);
    world.reach_vault_at(&relay(world.bao.address(), sent.clone()).await);
    world.federation.start().unwrap();
    let mut secrets = BTreeSet::from([world.secret_id.clone()]);
    for (generator, key) in [(SHOP, "password"), (OTP, "key")] {
        let token = world.federation.issuer.token(&Pod::new());
        // The signature is what makes a token one.
        secrets.extend(token.rsplit('.').next().map(str::to_owned));
        let mut client = world.federation.client_with(&token).await.unwrap();
        let first = client.issue(generator).await.unwrap();
        client.acknowledge(1).await.unwrap();
        let second = client.issue(generator).await.unwrap();
        secrets.extend([value(&first, key), value(&second, key)]);
        assert_eq!(client.revoke().await.unwrap(), 2);
    }
    world.holds_only(&[], "after the revocations").await;
    // What fails is logged as well.
    world.withdraw_secret_id().await;
    let mut client = world.federation.client(&Pod::new()).await.unwrap();
    let refused = client.issue(SHOP).await.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition, "{refused}");
    let tokens = sent.tokens();
    // Four leases, each with a login for its issue and one for its end.
    assert_eq!(tokens.len(), 8, "the logins were seen");
    secrets.extend(tokens);

    let metrics = world.metrics().await;
    assert!(
        metrics.contains("esi_lease_attempts_total"),
        "the metrics were read"
    );
    world.federation.process().kill().unwrap();
    let log = world.federation.log();
    assert!(
        log.contains("\"event\":\"issued\"") && log.contains("\"event\":\"ended\""),
        "the log was read"
    );
    let ledger = ledger(&world);
    assert!(ledger.contains("lease_id"), "the ledger was read");
    for secret in &secrets {
        assert!(secret.len() >= 16, "{secret} would be found anywhere");
        for (place, text) in [("log", &log), ("metrics", &metrics), ("ledger", &ledger)] {
            assert!(!text.contains(secret), "the {place} has {secret}");
        }
    }
}

/// The ledger's files, whatever of them is text.
fn ledger(world: &World) -> String {
    let mut text = String::new();
    for entry in std::fs::read_dir(world.federation.dir()).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if name.starts_with("ledger.db") {
            text.push_str(&String::from_utf8_lossy(&std::fs::read(path).unwrap()));
        }
    }
    text
}
