use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use esi_client::testing::{Authority, Fake, Method};
use esi_client::{Budget, Token};
use esi_core::SecretBytes;
use esi_core::names::ServerName;
use serde_json::{Value, json};

use super::{Servers, ServersError, open};

/// A directory with a file of servers, as a ConfigMap's.
struct Place(tempfile::TempDir);

impl Place {
    fn with(servers: &Value) -> Self {
        let place = Self(tempfile::tempdir().unwrap());
        place.write(servers);
        place
    }

    fn file(&self) -> PathBuf {
        self.0.path().join("servers.json")
    }

    /// Whole at once.
    fn write(&self, servers: &Value) {
        let staged = self.0.path().join("staged");
        std::fs::write(&staged, servers.to_string()).unwrap();
        std::fs::rename(staged, self.file()).unwrap();
    }

    fn open(&self) -> Result<Servers, ServersError> {
        open(self.file(), self.0.path().join("tokens")).map(|(servers, _follower)| servers)
    }
}

fn server(url: &str, ca: &str, audience: &str) -> Value {
    json!({"url": url, "ca": ca, "audience": audience})
}

fn name(text: &str) -> ServerName {
    text.parse().unwrap()
}

fn budget() -> Budget {
    Budget::of(Duration::from_secs(10))
}

#[tokio::test]
async fn a_pods_call_shows_the_pods_token_and_the_daemons_its_own() {
    let fake = Fake::start().await;
    let place = Place::with(&json!({"default": server(&fake.url, &fake.authority.pem(), "esi")}));
    std::fs::create_dir(place.0.path().join("tokens")).unwrap();
    std::fs::write(place.0.path().join("tokens/default"), "daemon").unwrap();
    let server = place.open().unwrap().get(&name("default")).unwrap();
    let pod = server.of_pod(Token::parse(&SecretBytes::from("pod")).unwrap());
    pod.revoke(&"db".parse().unwrap(), budget()).await.unwrap();
    server.own().report_shown(&[], budget()).await.unwrap();
    let shown: Vec<_> = fake.calls().into_iter().map(|call| call.authorization).collect();
    assert_eq!(shown, ["Bearer pod", "Bearer daemon"]);
    assert_eq!(fake.calls_of(Method::Report).len(), 1);
}

#[tokio::test]
async fn a_server_without_an_audience_of_its_own_is_refused() {
    let ca = Authority::fresh().pem();
    let without = Place::with(&json!({"a": {"url": "https://a", "ca": ca}}));
    assert!(matches!(
        without.open().unwrap_err(),
        ServersError::NoAudience { server } if server.as_str() == "a"
    ));
    let shared =
        Place::with(&json!({"a": server("https://a", &ca, "esi"), "b": server("https://b", &ca, "esi")}));
    let text = shared.open().unwrap_err().to_string();
    assert!(text.contains("`a` and `b`") && text.contains("`esi`"), "{text}");
}

#[tokio::test]
async fn a_plans_server_that_is_not_known_is_named_with_those_that_are() {
    let ca = Authority::fresh().pem();
    let place = Place::with(&json!({"a": server("https://a", &ca, "x"), "b": server("https://b", &ca, "y")}));
    let error = place.open().unwrap().get(&name("c")).unwrap_err().to_string();
    assert!(
        error.contains("names server `c`") && error.contains("knows `a`, `b`"),
        "{error}"
    );
}

#[tokio::test]
async fn a_changed_file_changes_only_the_servers_that_it_changes() {
    let ca = Authority::fresh().pem();
    let place = Place::with(&json!({"a": server("https://a", &ca, "x"), "b": server("https://b", &ca, "y")}));
    let (servers, follower) = open(place.file(), Path::new("/none").into()).unwrap();
    let before = (servers.get(&name("a")).unwrap(), servers.get(&name("b")).unwrap());
    let following = tokio::spawn(follower.run());
    place.write(&json!({"a": server("https://a", &ca, "x"), "b": server("https://elsewhere", &ca, "y")}));
    let changed = async {
        while Arc::ptr_eq(&before.1, &servers.get(&name("b")).unwrap()) {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), changed)
        .await
        .unwrap();
    assert!(Arc::ptr_eq(&before.0, &servers.get(&name("a")).unwrap()));
    following.abort();
}

#[tokio::test]
async fn a_broken_file_changes_nothing_and_a_start_with_it_fails() {
    let ca = Authority::fresh().pem();
    let place = Place::with(&json!({"a": server("https://a", &ca, "x")}));
    let (servers, mut follower) = open(place.file(), Path::new("/none").into()).unwrap();
    place.write(&json!({"a": {"url": "http://a"}}));
    assert!(place.open().is_err());
    follower.look();
    assert!(servers.get(&name("a")).is_ok());
    // A removal holds.
    place.write(&json!({}));
    follower.look();
    assert!(servers.get(&name("a")).is_err());
}
