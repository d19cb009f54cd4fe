//! Nothing secret comes out: not in logs at any level, not in `Debug`, not in errors.

use std::io;
use std::sync::{Arc, Mutex};

use esi_core::{Handle, chain};
use serde_json::json;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt::MakeWriter;

use super::backend::*;
use super::support::*;

/// Keeps what is logged.
#[derive(Debug, Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Log {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

/// The first text in `log` that looks like a token of OpenBao's (`s.` and 24 letters or digits).
fn token_in(log: &str) -> Option<&str> {
    log.match_indices("s.")
        .filter_map(|(at, _)| log.get(at..at + 26))
        .find(|text| text[2..].bytes().all(|b| b.is_ascii_alphanumeric()))
}

#[tokio::test]
async fn every_log_at_its_loudest_and_every_debug_holds_no_secret() {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt()
        .with_writer(log.clone())
        .with_max_level(LevelFilter::TRACE)
        .finish();
    let bao = shared();
    let mount = ssh_engine(bao).await;
    let (auth, known) = approle(bao, &otp_policy(&mount), json!({"token_ttl": "1m"})).await;
    let manifest = otp_manifest(bao, &mount, (auth, known.clone()));
    let denied = manifest.clone().set("path", json!(format!("{mount}/nothing")));

    // One thread: all that the test's tasks log is seen.
    let guard = tracing::subscriber::set_default(subscriber);
    let esi = manifest.build();
    let issued = esi.issue().await.unwrap();
    let failed = denied.build().issue().await.unwrap_err();
    let lost = Handle::default().with("accessor", "no-such-accessor");
    let unknown = esi.renew(&lost, HOUR).await.unwrap_err();
    let fixed = esi.renew(&issued.handle, HOUR).await.unwrap_err();
    esi.revoke(&issued.handle).await.unwrap();
    drop(guard);

    let mut shown = log.text();
    assert!(
        shown.contains("hyper_util"),
        "the log was not listened to: {shown}"
    );
    for quiet in ["vaultrs", "rustify"] {
        assert!(!shown.contains(quiet), "{quiet} speaks: {shown}");
    }
    shown += &format!("{esi:?} {issued:?} {failed:?} {unknown:?} {fixed:?}");
    for error in [&failed, &unknown, &fixed] {
        shown += &chain(error);
    }
    let otp = value(&issued, "key");
    for secret in known.values().chain([otp.as_str()]) {
        assert!(!shown.contains(secret), "{secret} is in: {shown}");
    }
    assert_eq!(token_in(&shown), None, "{shown}");
}

#[test]
fn a_token_would_be_noticed() {
    assert_eq!(
        token_in("is s.MpD0MExQMuHFiikmUjtIhZv1!"),
        Some("s.MpD0MExQMuHFiikmUjtIhZv1")
    );
    assert_eq!(token_in("leases. Then"), None);
}
