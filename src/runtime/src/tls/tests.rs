use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::sync::Barrier;
use std::time::Duration;

use esi_core::{ManualClock, SecretBytes, SystemClock};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use tempfile::{TempDir, tempdir};

use super::*;
use crate::Shutdown;
use crate::testing::soon;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

fn now() -> Timestamp {
    Timestamp::from_secs(1_800_000_000)
}

fn names() -> Vec<String> {
    vec!["localhost".to_owned(), "127.0.0.1".to_owned()]
}

fn open_ca(directory: &Path) -> Result<ServerTls, TlsError> {
    open_ca_at(directory, now())
}

fn open_ca_at(directory: &Path, at: Timestamp) -> Result<ServerTls, TlsError> {
    let source = TlsSource::OwnCa {
        directory: directory.to_owned(),
        names: names(),
    };
    ServerTls::open(source, Arc::new(ManualClock::at(at)), &Metrics::default()).map(|(tls, _reloader)| tls)
}

/// Waits until the reloader has published something that fits.
async fn until(tls: &ServerTls, fits: impl FnMut(&State) -> bool) {
    let mut state = tls.state.clone();
    soon(state.wait_for(fits)).await.unwrap();
}

/// The same in paused time, where an hour passes at once.
async fn eventually(tls: &ServerTls, fits: impl FnMut(&State) -> bool) {
    let mut state = tls.state.clone();
    tokio::time::timeout(DAY, state.wait_for(fits))
        .await
        .expect("it never came")
        .unwrap();
}

// --- a CA of our own ---

#[test]
fn a_second_start_uses_the_same_ca() {
    let directory = tempdir().unwrap();
    let first = open_ca(directory.path()).unwrap().ca_pem();
    assert_eq!(open_ca(directory.path()).unwrap().ca_pem(), first);
}

#[test]
fn the_ca_key_is_private_and_its_certificate_is_for_everybody() {
    let parent = tempdir().unwrap();
    let directory = parent.path().join("data");
    let tls = open_ca(&directory).unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&directory), 0o700);
    assert_eq!(mode(&directory.join("ca-key.pem")), 0o600);
    assert_eq!(mode(&directory.join("ca.pem")), 0o644);
    let public = fs::read_to_string(directory.join("ca.pem")).unwrap();
    assert_eq!(tls.ca_pem().unwrap(), public);
    assert!(public.contains("CERTIFICATE") && !public.contains("KEY"));
}

#[test]
fn first_starts_at_the_same_time_agree_on_one_ca() {
    const STARTS: usize = 8;
    for _ in 0..5 {
        let directory = tempdir().unwrap();
        let together = Barrier::new(STARTS);
        let cas: Vec<_> = std::thread::scope(|scope| {
            let start = || {
                together.wait();
                open_ca(directory.path()).unwrap().ca_pem().unwrap()
            };
            let starts: Vec<_> = (0..STARTS).map(|_| scope.spawn(start)).collect();
            starts.into_iter().map(|start| start.join().unwrap()).collect()
        });
        assert!(cas.iter().all(|ca| *ca == cas[0]));
        assert_eq!(
            fs::read_to_string(directory.path().join("ca.pem")).unwrap(),
            cas[0]
        );
    }
}

#[test]
fn a_damaged_ca_is_refused_with_what_to_do_and_left_as_it_is() {
    let whole = || {
        let directory = tempdir().unwrap();
        open_ca(directory.path()).unwrap();
        fs::read_to_string(directory.path().join("ca-key.pem")).unwrap()
    };
    // The key's section, and the certificate's.
    let halves = |whole: &str| {
        let (key, certificate) = whole.split_once("-----BEGIN CERTIFICATE").unwrap();
        (key.to_owned(), format!("-----BEGIN CERTIFICATE{certificate}"))
    };
    let (_, foreign) = halves(&whole());
    type Damage<'a> = Box<dyn Fn(&str) -> String + 'a>;
    let damages: [(&str, Damage<'_>); 5] = [
        ("empty", Box::new(|_| String::new())),
        (
            "truncated",
            Box::new(|good| good.chars().take(good.len() / 2).collect()),
        ),
        ("without its certificate", Box::new(|good| halves(good).0)),
        ("without its key", Box::new(|good| halves(good).1)),
        (
            "with the certificate of another",
            Box::new(|good| halves(good).0 + &foreign),
        ),
    ];
    for (name, damage) in damages {
        let directory = tempdir().unwrap();
        open_ca(directory.path()).unwrap();
        let path = directory.path().join("ca-key.pem");
        let damaged = damage(&fs::read_to_string(&path).unwrap());
        fs::write(&path, &damaged).unwrap();
        let error = open_ca(directory.path()).expect_err(name);
        assert_eq!(error.kind(), "ca_damaged", "{name}");
        assert!(error.to_string().contains("restore `ca-key.pem`"), "{error}");
        assert_eq!(fs::read_to_string(&path).unwrap(), damaged, "{name}");
    }
}

#[test]
fn a_lost_key_is_not_replaced_by_a_new_ca_that_no_client_knows() {
    let directory = tempdir().unwrap();
    open_ca(directory.path()).unwrap();
    fs::remove_file(directory.path().join("ca-key.pem")).unwrap();
    assert_eq!(open_ca(directory.path()).unwrap_err().kind(), "ca_damaged");
    assert!(!directory.path().join("ca-key.pem").exists());
}

#[test]
fn a_lost_public_certificate_is_written_again() {
    let directory = tempdir().unwrap();
    let ca = open_ca(directory.path()).unwrap().ca_pem().unwrap();
    fs::remove_file(directory.path().join("ca.pem")).unwrap();
    open_ca(directory.path()).unwrap();
    assert_eq!(fs::read_to_string(directory.path().join("ca.pem")).unwrap(), ca);
}

#[test]
fn an_expired_ca_is_refused() {
    let directory = tempdir().unwrap();
    open_ca(directory.path()).unwrap();
    let ten_years = now() + DAY * 3650;
    assert_eq!(
        open_ca_at(directory.path(), ten_years).unwrap_err().kind(),
        "ca_expired"
    );
}

#[test]
fn a_leaf_never_outlives_its_ca() {
    let directory = tempdir().unwrap();
    open_ca(directory.path()).unwrap();
    let near_the_end = now() + DAY * 3645;
    assert_eq!(
        open_ca_at(directory.path(), near_the_end).unwrap().not_after(),
        now() + DAY * 3650
    );
}

#[test]
fn a_clock_beyond_what_a_certificate_can_say_is_no_panic() {
    let directory = tempdir().unwrap();
    open_ca_at(directory.path(), Timestamp::from_millis(i64::MAX)).unwrap_err();
}

#[test]
fn names_that_no_client_could_check_are_refused() {
    for bad in [
        vec![],
        vec![""],
        vec!["a b"],
        vec!["*.esi.svc"],
        vec!["ok", "https://esi"],
    ] {
        let directory = tempdir().unwrap();
        let names = bad.iter().map(|name| (*name).to_owned()).collect();
        let source = TlsSource::OwnCa {
            directory: directory.path().to_owned(),
            names,
        };
        let opened = ServerTls::open(source, Arc::new(SystemClock), &Metrics::default());
        assert_eq!(opened.unwrap_err().kind(), "tls_names", "{bad:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_leaf_is_renewed_after_two_thirds_of_its_life_and_the_ca_stays() {
    let directory = tempdir().unwrap();
    let clock = Arc::new(ManualClock::at(now()));
    let metrics = Metrics::default();
    let source = TlsSource::OwnCa {
        directory: directory.path().to_owned(),
        names: names(),
    };
    let (tls, reloader) = ServerTls::open(source, Arc::clone(&clock) as Arc<dyn Clock>, &metrics).unwrap();
    let ca = tls.ca_pem();
    let shutdown = Shutdown::new();
    let running = tokio::spawn(reloader.run(shutdown.clone()));

    assert_eq!(tls.not_after(), now() + DAY * 30);
    clock.advance(DAY * 20 - Duration::from_secs(1));
    // Paused time: the reloader has looked at the clock many times when this is over.
    tokio::time::sleep(DAY).await;
    assert_eq!(tls.not_after(), now() + DAY * 30);
    clock.advance(Duration::from_secs(1));
    eventually(&tls, |state| state.served.not_after == now() + DAY * 50).await;
    assert_eq!(metrics.certificate_not_after.get(), (now() + DAY * 50).as_secs());
    assert_eq!(metrics.reloaded("ok").get(), 1);
    assert_eq!(tls.ca_pem(), ca);

    shutdown.trigger();
    running.await.unwrap();
}

// --- files of somebody else ---

/// A directory as a mounted Secret has it: `tls.crt` → `..data/tls.crt`, `..data` → a directory per version.
struct SecretVolume(TempDir);

impl SecretVolume {
    fn new(certificate: &str, key: &str) -> Self {
        let volume = Self(tempdir().unwrap());
        volume.swap("..1", certificate, key);
        symlink("..data/tls.crt", volume.path("tls.crt")).unwrap();
        symlink("..data/tls.key", volume.path("tls.key")).unwrap();
        volume
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// As kubelet does: a new directory, then one rename of a link.
    fn swap(&self, version: &str, certificate: &str, key: &str) {
        fs::create_dir(self.path(version)).unwrap();
        fs::write(self.path(version).join("tls.crt"), certificate).unwrap();
        fs::write(self.path(version).join("tls.key"), key).unwrap();
        symlink(version, self.path("..data_tmp")).unwrap();
        fs::rename(self.path("..data_tmp"), self.path("..data")).unwrap();
    }

    fn source(&self) -> TlsSource {
        TlsSource::Files {
            certificate: self.path("tls.crt"),
            key: self.path("tls.key"),
        }
    }
}

fn issue() -> (String, String) {
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    (cert.pem(), signing_key.serialize_pem())
}

struct Followed {
    tls: ServerTls,
    metrics: Metrics,
    _running: tokio::task::JoinHandle<()>,
}

fn follow(source: TlsSource) -> Followed {
    let metrics = Metrics::default();
    let (tls, reloader) = ServerTls::open(source, Arc::new(SystemClock), &metrics).unwrap();
    Followed {
        tls,
        metrics,
        _running: tokio::spawn(reloader.run(Shutdown::new())),
    }
}

#[tokio::test]
async fn a_swapped_secret_volume_is_served_without_a_restart() {
    let (certificate, key) = issue();
    let volume = SecretVolume::new(&certificate, &key);
    let server = follow(volume.source());
    let before = server.tls.current();
    // The reloader's first look at the directory must not be its last.
    for version in ["..2", "..3"] {
        let held = server.tls.current();
        let (certificate, key) = issue();
        volume.swap(version, &certificate, &key);
        until(&server.tls, |state| !Arc::ptr_eq(&state.served.config, &held)).await;
    }
    assert!(!Arc::ptr_eq(&server.tls.current(), &before));
    assert_eq!(server.metrics.reloaded("failed").get(), 0);
}

#[tokio::test]
async fn a_broken_pair_keeps_the_last_good_one_and_a_good_one_replaces_it_again() {
    let (certificate, key) = issue();
    let volume = SecretVolume::new(&certificate, &key);
    let server = follow(volume.source());
    let good = server.tls.current();

    let (_, key_of_another) = issue();
    volume.swap("..mismatch", &certificate, &key_of_another);
    until(&server.tls, |state| state.failures == 1).await;
    volume.swap("..garbage", "not a certificate", &key);
    until(&server.tls, |state| state.failures == 2).await;
    assert!(Arc::ptr_eq(&server.tls.current(), &good));
    assert_eq!(server.metrics.reloaded("failed").get(), 2);

    let (certificate, key) = issue();
    volume.swap("..good", &certificate, &key);
    until(&server.tls, |state| !Arc::ptr_eq(&state.served.config, &good)).await;
}

#[tokio::test(start_paused = true)]
async fn a_change_that_no_notification_tells_is_found_by_polling() {
    let (certificate, key) = issue();
    let volume = SecretVolume::new(&certificate, &key);
    // A link above the watched directory: its swap happens where nobody watches.
    let elsewhere = tempdir().unwrap();
    let link = elsewhere.path().join("current");
    symlink(volume.0.path(), &link).unwrap();
    let server = follow(TlsSource::Files {
        certificate: link.join("tls.crt"),
        key: link.join("tls.key"),
    });
    let held = server.tls.current();
    // Paused time moves only when everybody waits: the reloader has looked once and watches.
    tokio::time::sleep(Duration::from_secs(1)).await;

    let (certificate, key) = issue();
    let next = SecretVolume::new(&certificate, &key);
    symlink(next.0.path(), elsewhere.path().join("next")).unwrap();
    fs::rename(elsewhere.path().join("next"), &link).unwrap();
    eventually(&server.tls, |state| !Arc::ptr_eq(&state.served.config, &held)).await;
}

#[test]
fn a_start_with_a_pair_that_cannot_be_served_is_refused_without_naming_a_path() {
    let (certificate, key) = issue();
    let (_, other_key) = issue();
    for (certificate, key, kind) in [
        (certificate.as_str(), other_key.as_str(), "tls_unusable"),
        ("", key.as_str(), "tls_not_pem"),
        (certificate.as_str(), "", "tls_not_pem"),
        (
            "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
            key.as_str(),
            "tls_not_x509",
        ),
    ] {
        let volume = SecretVolume::new(certificate, key);
        let opened = ServerTls::open(volume.source(), Arc::new(SystemClock), &Metrics::default());
        assert_eq!(opened.unwrap_err().kind(), kind);
    }
    let volume = SecretVolume::new(&certificate, &key);
    fs::remove_file(volume.path("tls.key")).unwrap();
    let error = ServerTls::open(volume.source(), Arc::new(SystemClock), &Metrics::default()).unwrap_err();
    assert_eq!(error.kind(), "tls_unreadable");
    assert!(!error.to_string().contains("tls.key"), "{error}");
    assert!(esi_core::chain(&error).contains("tls.key"));
}

// --- an authority that somebody else keeps ---

fn kept(authority: &tokio::sync::watch::Sender<Arc<Authority>>) -> TlsSource {
    TlsSource::Authority {
        authority: authority.subscribe(),
        names: names(),
    }
}

fn authority() -> Arc<Authority> {
    Arc::new(Authority::generate(now(), 365 * DAY).unwrap())
}

#[test]
fn an_authority_reads_back_what_it_writes_and_says_when_it_was_made() {
    let first = authority();
    let again = Authority::parse(SecretBytes::new(first.pem().expose().to_vec())).unwrap();
    assert_eq!(again.certificate_pem(), first.certificate_pem());
    assert_eq!((again.made(), again.not_after()), (now(), now() + 365 * DAY));
    assert!(!format!("{first:?}").contains("KEY"));
    let damaged = SecretBytes::from(first.certificate_pem().to_owned());
    assert!(
        Authority::parse(damaged)
            .unwrap_err()
            .to_string()
            .contains("private key")
    );
}

#[tokio::test(start_paused = true)]
async fn a_new_authority_makes_a_new_leaf_at_once() {
    let (sender, _receiver) = tokio::sync::watch::channel(authority());
    let (tls, reloader) = ServerTls::open(
        kept(&sender),
        Arc::new(ManualClock::at(now())),
        &Metrics::default(),
    )
    .unwrap();
    let first = tls.current();
    // Before the reloader runs: nothing is missed.
    sender.send(authority()).unwrap();
    let shutdown = Shutdown::new();
    let running = tokio::spawn(reloader.run(shutdown.clone()));
    eventually(&tls, |state| !Arc::ptr_eq(&state.served.config, &first)).await;
    shutdown.trigger();
    running.await.unwrap();
}
