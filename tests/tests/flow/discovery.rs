//! Keys by OpenID Connect discovery, at an issuer over TLS that rotates them.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use axum::Router;
use axum::routing::get;
use esi_core::SystemClock;
use esi_runtime::{Listener, Metrics, ServeLimits, ServerTls, Shutdown, TlsSource, serve};
use esi_tests::federation::{CLUSTER, Federation};
use esi_tests::issuer::{ISSUER, Issuer, Pod};
use prometheus_client::registry::Registry;
use serde_json::{Value, json};
use tonic::Code;

const FAKE: &str = "Fake/demo/greeting";
const MANIFEST: &str = "apiVersion: generators.external-secrets.io/v1alpha1\nkind: Fake\n\
     metadata: { name: greeting, namespace: demo }\nspec: { data: { word: hello } }\n";

/// An API server, as far as discovery goes.
struct Discovery {
    url: String,
    ca: String,
    keys: Arc<Mutex<Value>>,
    fetches: Arc<AtomicUsize>,
    _dir: tempfile::TempDir,
}

impl Discovery {
    async fn start(keys: Value) -> Self {
        // Another test of this binary may have installed it already.
        drop(esi_runtime::crypto::install());
        let dir = tempfile::tempdir().unwrap();
        let source = TlsSource::OwnCa {
            directory: dir.path().to_owned(),
            names: vec!["127.0.0.1".to_owned()],
        };
        let metrics = Metrics::register(&mut Registry::default());
        let (tls, _reloader) = ServerTls::open(source, Arc::new(SystemClock), &metrics).unwrap();
        let listener = Listener::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let url = format!("https://{}", listener.local_addr());
        let ca = tls.ca_pem().unwrap();
        let keys = Arc::new(Mutex::new(keys));
        let fetches = Arc::new(AtomicUsize::new(0));
        // As an API server does, it names an address that only its own network knows.
        let configuration = json!({ "issuer": ISSUER, "jwks_uri": "https://10.9.8.7:6443/openid/v1/jwks" });
        let served = (Arc::clone(&keys), Arc::clone(&fetches));
        let router = Router::new()
            .route(
                "/.well-known/openid-configuration",
                get(move || async move { axum::Json(configuration) }),
            )
            .route(
                "/openid/v1/jwks",
                get(move || async move {
                    served.1.fetch_add(1, Ordering::SeqCst);
                    axum::Json(served.0.lock().unwrap_or_else(PoisonError::into_inner).clone())
                }),
            );
        tokio::spawn(serve(
            listener,
            tls,
            router,
            ServeLimits::default(),
            metrics,
            Shutdown::new(),
        ));
        Self {
            url,
            ca,
            keys,
            fetches,
            _dir: dir,
        }
    }

    fn federation(&self) -> Value {
        json!({
            "apiVersion": "identity.federation.external-secrets.io/v1alpha1",
            "kind": "KubernetesFederation",
            "metadata": { "name": CLUSTER },
            "spec": { "url": self.url, "caBundle": self.ca }
        })
    }
}

fn set(keys: &[&Issuer]) -> Value {
    json!({ "keys": keys.iter().map(|issuer| issuer.jwk()).collect::<Vec<_>>() })
}

async fn server(discovery: &Discovery) -> Federation {
    let mut federation = Federation::prepare().unwrap();
    federation
        .write("federation.json", &discovery.federation().to_string())
        .unwrap();
    federation.write("generators.yaml", MANIFEST).unwrap();
    federation.allow("app", &[FAKE]).unwrap();
    federation.start().unwrap();
    federation
}

async fn code(federation: &Federation, token: &str) -> Result<(), Code> {
    let mut client = federation.client_with(token).await.unwrap();
    client.issue(FAKE).await.map(drop).map_err(|status| status.code())
}

#[tokio::test]
async fn keys_are_discovered_cached_and_refetched_once_on_an_unknown_one() {
    let (old, new, unknown) = (Issuer::new("old"), Issuer::new("new"), Issuer::new("unknown"));
    let discovery = Discovery::start(set(&[&old, &new])).await;
    let federation = server(&discovery).await;
    let pod = Pod::new();
    assert_eq!(code(&federation, &old.token(&pod)).await, Ok(()));
    assert_eq!(code(&federation, &new.token(&pod)).await, Ok(()));
    assert_eq!(
        discovery.fetches.load(Ordering::SeqCst),
        1,
        "the second key came with the first fetch"
    );
    for _ in 0..20 {
        assert_eq!(
            code(&federation, &unknown.token(&pod)).await,
            Err(Code::Unauthenticated)
        );
    }
    assert!(
        discovery.fetches.load(Ordering::SeqCst) <= 2,
        "invented keys do not make it hammer the cluster"
    );
}

#[tokio::test]
async fn a_key_that_is_new_at_the_cluster_is_taken_up_without_a_restart() {
    let (old, new) = (Issuer::new("old"), Issuer::new("new"));
    let discovery = Discovery::start(set(&[&old])).await;
    let federation = server(&discovery).await;
    let pod = Pod::new();
    assert_eq!(code(&federation, &old.token(&pod)).await, Ok(()));
    *discovery.keys.lock().unwrap() = set(&[&old, &new]);
    // Within the interval between two fetches it may still be unknown.
    esi_tests::eventually("the new key is accepted", async || {
        code(&federation, &new.token(&pod)).await.is_ok()
    })
    .await;
}

#[tokio::test]
async fn a_cluster_that_cannot_be_trusted_or_reached_makes_its_tokens_wait_and_says_when_to_retry() {
    let issuer = Issuer::new("key");
    let discovery = Discovery::start(set(&[&issuer])).await;
    let other = Discovery::start(set(&[&issuer])).await;
    let mut federation = Federation::prepare().unwrap();
    let mut document = discovery.federation();
    document["spec"]["caBundle"] = json!(other.ca);
    federation
        .write("federation.json", &document.to_string())
        .unwrap();
    federation.write("generators.yaml", MANIFEST).unwrap();
    federation.allow("app", &[FAKE]).unwrap();
    federation.start().unwrap();
    let mut client = federation.client_with(&issuer.token(&Pod::new())).await.unwrap();
    let status = client.issue(FAKE).await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable, "{status}");
    assert_eq!(status.metadata().get("retry-after").unwrap(), "10");
    assert_eq!(
        discovery.fetches.load(Ordering::SeqCst),
        0,
        "its keys were not taken"
    );
}
