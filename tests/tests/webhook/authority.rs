//! The webhook's own certificate authority, at a real API server: two replicas share it, and replace it under load.

use std::fs;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use esi_core::names::ObjectName;
use esi_core::{Clock as _, ManualClock, SystemClock, Timestamp};
use esi_tests::eventually;
use esi_tests::kubernetes::{Cluster, Namespace};
use esi_webhook::app::{self, Bound, Certificate, Config};
use esi_webhook::certificates::{Keeper, KeeperConfig, LIFE, PROPAGATION, RENEW_BEFORE_END, SecretPlace};
use esi_webhook::metrics::Metrics;
use esi_webhook::world::{CurrentWorld, EnvFiles, World};
use k8s_openapi::api::admissionregistration::v1::MutatingWebhookConfiguration;
use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use kube::api::{DeleteParams, PostParams};
use serde_json::json;
use tempfile::TempDir;

use super::load::admissions_during;
use super::pods::{inline, pod};
use super::server;

/// The API server judges leaves by the real clock, so that all of the test's times are in the last hours.
const BEFORE_RENEWAL: Duration = Duration::from_secs(10 * 60);

/// A registration of its own in the shared cluster, for one namespace, served by webhooks of this process.
struct Registration {
    namespace: Namespace,
    keeper: KeeperConfig,
    client: kube::Client,
    /// The time of both replicas.
    clock: Arc<ManualClock>,
    directory: TempDir,
}

impl Registration {
    /// With an authority that is due for renewal in [`BEFORE_RENEWAL`].
    async fn new(cluster: &Cluster) -> Self {
        let namespace = cluster.namespace(&[]).await.unwrap();
        let client = cluster.admin().await.unwrap();
        let keeper = KeeperConfig {
            secret: SecretPlace {
                namespace: namespace.name().parse().unwrap(),
                name: "authorities".parse::<ObjectName>().unwrap(),
            },
            webhook_configuration: format!("authority-{}", namespace.name()),
        };
        let start = SystemClock.now().before(PROPAGATION + 2 * BEFORE_RENEWAL);
        let begun = (start + BEFORE_RENEWAL).before(LIFE - RENEW_BEFORE_END);
        let metrics = Arc::new(Metrics::register(&mut Default::default()));
        let at = |time: Timestamp| Arc::new(ManualClock::at(time));
        drop(
            Keeper::open(client.clone(), keeper.clone(), at(begun), metrics)
                .await
                .unwrap(),
        );
        Self {
            namespace,
            keeper,
            client,
            clock: at(start),
            directory: tempfile::tempdir().unwrap(),
        }
    }

    async fn replica(&self) -> Bound {
        let configuration = self.directory.path().join("webhook.yaml");
        let ca = self.secret().await.current;
        let content = json!({
            "servers": { "default": { "url": "https://esi:8443", "ca": certificate_of(&ca) } },
            "init": { "image": "esi-cli:1" }
        });
        fs::write(&configuration, content.to_string()).unwrap();
        let anywhere = SocketAddr::from(([127, 0, 0, 1], 0));
        app::build(Config {
            configuration,
            listen: anywhere,
            admin_listen: anywhere,
            certificate: Certificate::Kept {
                cluster: esi_webhook::cluster::Cluster(self.client.clone()),
                keeper: self.keeper.clone(),
                names: vec!["127.0.0.1".to_owned()],
            },
            world: CurrentWorld::new(World {
                env_files: EnvFiles::Supported,
                restart_rules: true,
                ..World::default()
            }),
            cluster: None,
            limits: app::limits(Duration::from_secs(1)),
            clock: Arc::clone(&self.clock) as _,
        })
        .await
        .unwrap()
    }

    /// Has the API server call all of them for every pod of the namespace. Nobody is trusted yet.
    async fn register(&self, replicas: &[&Bound]) {
        let webhooks: Vec<_> = replicas
            .iter()
            .enumerate()
            .map(|(index, replica)| {
                json!({
                    "name": format!("replica-{index}.esi.external-secrets.io"),
                    "clientConfig": { "url": format!("https://{}/mutate", replica.address()) },
                    "rules": [{ "apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"] }],
                    "namespaceSelector": { "matchLabels": { "kubernetes.io/metadata.name": self.namespace.name() } },
                    "admissionReviewVersions": ["v1"],
                    "sideEffects": "None",
                    "failurePolicy": "Fail"
                })
            })
            .collect();
        let registration = json!({
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": "MutatingWebhookConfiguration",
            "metadata": { "name": self.keeper.webhook_configuration },
            "webhooks": webhooks
        });
        let registration = serde_json::from_value(registration).unwrap();
        self.registrations()
            .create(&PostParams::default(), &registration)
            .await
            .unwrap();
    }

    fn registrations(&self) -> Api<MutatingWebhookConfiguration> {
        Api::all(self.client.clone())
    }

    /// How many certificates each replica's entry trusts.
    async fn trusted(&self) -> Vec<usize> {
        let name = &self.keeper.webhook_configuration;
        let registration = self.registrations().get(name).await.unwrap();
        let bundles = registration.webhooks.unwrap_or_default().into_iter();
        bundles
            .map(|webhook| webhook.client_config.ca_bundle.unwrap_or_default().0)
            .map(|bundle| {
                String::from_utf8(bundle)
                    .unwrap()
                    .matches("BEGIN CERTIFICATE")
                    .count()
            })
            .collect()
    }

    async fn secret(&self) -> Stored {
        let secrets: Api<Secret> = Api::namespaced(self.client.clone(), self.namespace.name());
        let secret = secrets.get(self.keeper.secret.name.as_str()).await.unwrap();
        let mut data = secret.data.unwrap_or_default();
        let mut text = |key| data.remove(key).map(|bytes| String::from_utf8(bytes.0).unwrap());
        Stored {
            current: text("current.pem").unwrap(),
            next: text("next.pem"),
            previous: text("previous.pem"),
        }
    }

    /// As whoever applies a manifest of theirs does.
    async fn remove_bundles(&self) {
        let name = &self.keeper.webhook_configuration;
        let mut registration = self.registrations().get(name).await.unwrap();
        for webhook in registration.webhooks.iter_mut().flatten() {
            webhook.client_config.ca_bundle = None;
        }
        let registrations = self.registrations();
        let replaced = registrations
            .replace(name, &PostParams::default(), &registration)
            .await;
        replaced.unwrap();
    }

    async fn remove(self) {
        let name = &self.keeper.webhook_configuration;
        self.registrations()
            .delete(name, &DeleteParams::default())
            .await
            .unwrap();
    }
}

/// What the Secret holds, in PEM.
struct Stored {
    current: String,
    next: Option<String>,
    previous: Option<String>,
}

/// Without the key before it.
fn certificate_of(pem: &str) -> &str {
    &pem[pem.find("-----BEGIN CERTIFICATE").unwrap()..]
}

/// Whether who serves there shows a leaf of this authority.
async fn serves(replica: &Bound, authority: &str) -> bool {
    let ca = reqwest::Certificate::from_pem(certificate_of(authority).as_bytes()).unwrap();
    let client = reqwest::Client::builder()
        .no_proxy()
        .tls_certs_only([ca])
        .build()
        .unwrap();
    let url = format!("https://{}/mutate", replica.address());
    client.get(url).send().await.is_ok()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_replicas_replace_their_authority_under_load_without_a_refused_pod() {
    let (cluster, _webhook) = server::shared_webhook().await;
    let world = Registration::new(cluster).await;
    let replicas = [world.replica().await, world.replica().await];
    assert!(!replicas[0].readiness().is_ready(), "it is not registered yet");
    world.register(&[&replicas[0], &replicas[1]]).await;
    for replica in &replicas {
        replica.readiness().ready().await;
    }
    let first = world.secret().await.current;
    assert_eq!(world.trusted().await, [1, 1]);

    let replacing = async {
        world.clock.advance(BEFORE_RENEWAL);
        eventually("both are trusted", async || world.trusted().await == [2, 2]).await;
        let next = world.secret().await.next.unwrap();
        assert!(!serves(&replicas[0], &next).await, "it mints before its time");
        world.clock.advance(PROPAGATION);
        for replica in &replicas {
            eventually("the new authority mints", async || serves(replica, &next).await).await;
        }
        next
    };
    let (next, outcome) = admissions_during(&world.namespace, &pod("app", &inline()), replacing).await;
    assert!(outcome.failures.is_empty(), "{:?}", outcome.failures);
    assert!(outcome.admitted > 0);

    let stored = world.secret().await;
    assert_eq!(certificate_of(&stored.current), certificate_of(&next));
    assert_eq!(stored.previous.as_deref(), Some(certificate_of(&first)));
    assert_eq!(
        world.trusted().await,
        [2, 2],
        "the old one is trusted until its leaves have expired"
    );

    // Somebody applies the manifest again, without a bundle.
    world.remove_bundles().await;
    eventually("it is trusted again", async || world.trusted().await == [2, 2]).await;

    for replica in replicas {
        replica.shutdown().trigger();
        replica.wait().await.unwrap();
    }
    world.remove().await;
}
