//! A configuration is read strictly, and refused with its place.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use prometheus_client::registry::Registry;

use super::*;
use crate::metrics::Metrics;

/// A CA's certificate in PEM.
fn ca(name: &str) -> String {
    let key = rcgen::KeyPair::generate().unwrap();
    let mut params = rcgen::CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    params.distinguished_name.push(rcgen::DnType::CommonName, name);
    params.self_signed(&key).unwrap().pem()
}

fn parse(text: &str) -> Result<Configuration, ConfigError> {
    Configuration::parse(text, &|path| match path.to_str() {
        Some("ca.pem") => Ok(ca("a")),
        _ => Err("there is no such file".to_owned()),
    })
}

fn refusal(text: &str) -> String {
    parse(text).unwrap_err().to_string()
}

const SMALL: &str =
    "servers:\n  default:\n    url: https://esi:8443\n    caFile: ca.pem\ninit:\n  image: esi-cli:1\n";

#[test]
fn what_is_not_written_has_a_safe_default() {
    let read = parse(SMALL).unwrap();
    assert_eq!(read.delivery, Delivery::Init);
    assert_eq!(read.volume, VolumeKind::Csi);
    let server = &read.servers[&"default".parse().unwrap()];
    assert_eq!(
        (server.url.as_str(), server.audience.as_str()),
        ("https://esi:8443", "esi")
    );
    assert_eq!(
        read.init,
        InitContainer {
            image: "esi-cli:1".to_owned(),
            image_pull_policy: None,
            run_as_user: 65532,
            cpu: "10m".to_owned(),
            memory: "32Mi".to_owned(),
            deadline: Duration::from_secs(120),
            token_lifetime: Duration::from_secs(600),
        }
    );
}

#[test]
fn the_example_is_valid_and_states_the_defaults() {
    let text = include_str!("../../../../deploy/webhook/config.yaml");
    let example = Configuration::parse(text, &|_| Ok(ca("example"))).unwrap();
    let short = Configuration::parse(SMALL, &|_| Ok(ca("example"))).unwrap();
    assert_eq!(
        InitContainer {
            image: short.init.image.clone(),
            image_pull_policy: None,
            ..example.init
        },
        short.init
    );
    assert_eq!((example.delivery, example.volume), (short.delivery, short.volume));
}

#[test]
fn a_field_that_is_not_known_is_refused_with_its_place() {
    let text = refusal(&format!("{SMALL}  imagePullpolicy: Always\n"));
    assert!(
        text.contains("line 7") && text.contains("imagePullpolicy"),
        "{text}"
    );
    let text = refusal(&format!("{SMALL}defaults: {{}}\n"));
    assert!(text.contains("line 7") && text.contains("defaults"), "{text}");
}

#[test]
fn a_value_that_is_not_valid_is_refused_with_its_line_its_field_and_what_to_write() {
    for (line, field, rule) in [
        ("  runAsUser: 0", "init.runAsUser", "never runs as root"),
        ("  runAsUser: 2147483648", "init.runAsUser", "user id from 1"),
        (
            "  imagePullPolicy: always",
            "init.imagePullPolicy",
            "IfNotPresent",
        ),
        ("  cpu: lots", "init.cpu", "such as 10m"),
        ("  cpu: 0m", "init.cpu", "such as 10m"),
        ("  memory: 32MiB", "init.memory", "such as 32Mi"),
        ("  deadline: 0s", "init.deadline", "from 1s to 1h"),
        ("  deadline: soon", "init.deadline", "no duration"),
        ("  tokenLifetime: 5m", "init.tokenLifetime", "from 10m to 1h"),
    ] {
        let text = refusal(&format!("{SMALL}{line}\n"));
        assert!(
            text.contains("line 7") && text.contains(field) && text.contains(rule),
            "{line}: {text}"
        );
    }
    let text = refusal(&SMALL.replace("esi-cli:1", "\"esi cli\""));
    assert!(text.contains("line 6: init.image"), "{text}");
}

#[test]
fn a_url_is_https_a_host_and_a_port() {
    for bad in [
        "http://esi:8443",
        "https://esi:8443/path",
        "https://esi:8443?x",
        "https://user@esi",
        "https://esi#x",
        "https://",
        "HTTPS://esi",
        "esi:8443",
        "\"https://esi \"",
        "\"\"",
    ] {
        let text = refusal(&SMALL.replace("https://esi:8443", bad));
        assert!(
            text.contains("line 3: servers.default.url: write https"),
            "{bad}: {text}"
        );
    }
    for good in [
        "https://esi",
        "https://esi:8443/",
        "https://[::1]:8443",
        "https://10.0.0.1",
    ] {
        let read = parse(&SMALL.replace("https://esi:8443", good)).unwrap();
        let url = &read.servers[&"default".parse().unwrap()].url;
        assert_eq!(url, good.trim_end_matches('/'));
    }
}

#[test]
fn a_ca_is_its_certificates_and_nothing_else() {
    let (old, new) = (ca("old"), ca("new"));
    let bundle = format!("# the old one\n{old}\n# the new one\n{new}trailing");
    let read = Configuration::parse(SMALL, &|_| Ok(bundle.clone())).unwrap();
    assert_eq!(
        read.servers[&"default".parse().unwrap()].ca,
        format!("{old}{new}")
    );
}

#[test]
fn a_ca_that_cannot_be_trusted_is_refused() {
    let key = rcgen::KeyPair::generate().unwrap().serialize_pem();
    let begin = "-----BEGIN CERTIFICATE-----";
    for (bad, why) in [
        (String::new(), "no certificate"),
        (format!("{}{key}", ca("a")), "private key"),
        (
            format!("{begin}\nAAAA\n-----END CERTIFICATE-----\n"),
            "certificate 1",
        ),
        (format!("{}{begin}\nAAAA", ca("a")), "no end"),
        (ca("a").repeat(100), "every pod carries them"),
    ] {
        let error = Configuration::parse(SMALL, &|_| Ok(bad.clone())).unwrap_err();
        let text = error.to_string();
        assert!(
            text.contains("line 4: servers.default.caFile") && text.contains(why),
            "{why}: {text}"
        );
        assert!(
            !text.contains("AAAA") && !text.contains("MI"),
            "quotes content: {text}"
        );
    }
    let text = refusal(&SMALL.replace("    caFile: ca.pem\n", ""));
    assert!(text.contains("servers.default.ca: write exactly one"), "{text}");
}

#[test]
fn two_servers_never_share_an_audience() {
    let second = "  other:\n    url: https://other\n    caFile: ca.pem\ninit:";
    let text = refusal(&SMALL.replace("init:", second));
    assert!(
        text.contains("servers.other.audience") && text.contains("its own"),
        "{text}"
    );
    let own = second.replace("ca.pem", "ca.pem\n    audience: other");
    assert!(parse(&SMALL.replace("init:", &own)).is_ok());
    let same_server = second.replace("https://other", "https://esi:8443");
    assert!(parse(&SMALL.replace("init:", &same_server)).is_ok());
}

#[test]
fn there_is_at_least_one_server() {
    let text = refusal("servers: {}\ninit: {image: x}\n");
    assert!(text.contains("at least one server"), "{text}");
}

/// A folder with a configuration and its CA, followed.
struct Followed {
    folder: tempfile::TempDir,
    current: Current,
    registry: Registry,
    _task: tokio_util::task::AbortOnDropHandle<()>,
}

fn write(folder: &Path, name: &str, text: &str) {
    fs::write(folder.join(".new"), text).unwrap();
    fs::rename(folder.join(".new"), folder.join(name)).unwrap();
}

impl Followed {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), "ca.pem", &ca("first"));
        write(folder.path(), "config.yaml", SMALL);
        let mut registry = Registry::default();
        let metrics = Arc::new(Metrics::register(&mut registry));
        let (current, follower) = open(&folder.path().join("config.yaml"), metrics).unwrap();
        Self {
            folder,
            current,
            registry,
            _task: tokio_util::task::AbortOnDropHandle::new(tokio::spawn(follower.run())),
        }
    }

    fn metric(&self, line: &str) -> bool {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &self.registry).unwrap();
        text.lines().any(|found| found == line)
    }

    /// Waits until something holds. A reload has no event: this yields between looks.
    async fn until(&self, holds: impl Fn(&Self) -> bool + Sync) {
        let wait = async {
            while !holds(self) {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), wait).await.unwrap();
    }
}

#[tokio::test]
async fn a_new_file_holds_from_then_on() {
    let followed = Followed::start();
    write(
        followed.folder.path(),
        "config.yaml",
        &format!("{SMALL}delivery: node\n"),
    );
    followed
        .until(|now| now.current.get().delivery == Delivery::Node)
        .await;
    assert!(followed.metric("webhook_config_reloads_total{result=\"ok\"} 1"));
}

#[tokio::test]
async fn a_broken_file_leaves_the_last_good_one_in_force_and_is_counted_once() {
    let followed = Followed::start();
    let before = followed.current.get();
    write(followed.folder.path(), "config.yaml", "servers: [");
    followed.until(|now| now.metric("webhook_config_broken 1")).await;
    assert_eq!(followed.current.get(), before);
    write(followed.folder.path(), "config.yaml", SMALL);
    followed.until(|now| now.metric("webhook_config_broken 0")).await;
    assert!(followed.metric("webhook_config_reloads_total{result=\"failed\"} 1"));
    assert!(followed.metric("webhook_config_reloads_total{result=\"ok\"} 1"));
}

#[tokio::test]
async fn a_rotated_ca_file_reaches_the_configuration() {
    let followed = Followed::start();
    let bundle = format!("{}{}", ca("first"), ca("second"));
    write(followed.folder.path(), "ca.pem", &bundle);
    followed
        .until(|now| now.current.get().servers[&"default".parse().unwrap()].ca == bundle)
        .await;
}
