//! The shipped webhook, release build, with a real cluster to watch, as an API server calls it: over HTTPS, with
//! connections that are kept.

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use esi_tests::federation::binary;
use esi_tests::kubernetes::{Cluster, Manifests, deploy, deployed};
use esi_tests::process::{Server, free_port};
use reqwest::{Certificate, Client};
use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::machine::{cpu_time, memory, percentile};
use crate::table::{Millis, Table};

/// Enough that a tick of the processor's clock (10 ms) is no more than 2 % of the whole.
const REVIEWS: u32 = 20_000;
/// Connections of the busy part: an API server opens a few.
const CONNECTIONS: u32 = 4;
const MAX_CPU_PER_1000: Duration = Duration::from_millis(60);
const MAX_P99: Duration = Duration::from_millis(1);
const MAX_PEAK: u64 = 20 * 1024 * 1024;

pub(crate) async fn measure(table: &mut Table) -> Result<()> {
    let webhook = Webhook::start().await?;
    let client = webhook.client()?;
    // Connections, caches and the allocator as they are later.
    webhook.ask_many(&client, 500).await?;

    let before = webhook.metrics(&client).await?;
    let mut times = webhook.ask_many(&client, REVIEWS / 4).await?;
    let own = Own::between(&before, &webhook.metrics(&client).await?)?;
    table.note(
        "webhook: its own time, p50",
        format!("<= {}", Millis(own.percentile(50))),
    );
    table.note(
        "webhook: its own time, p99",
        format!("<= {}", Millis(own.percentile(99))),
    );
    table.note("webhook: over HTTPS, p50", Millis(percentile(&mut times, 50)));
    table.time("webhook: over HTTPS, p99", percentile(&mut times, 99), MAX_P99);

    let (started, cpu) = (Instant::now(), cpu_time(webhook.server.pid())?);
    let mut busy = JoinSet::new();
    for _ in 0..CONNECTIONS {
        let (client, url, review) = (webhook.client()?, webhook.url.clone(), webhook.review.clone());
        busy.spawn(async move { ask(&client, &url, &review, REVIEWS / CONNECTIONS).await });
    }
    while let Some(ended) = busy.join_next().await {
        ended??;
    }
    let (took, cpu) = (started.elapsed(), cpu_time(webhook.server.pid())? - cpu);
    table.time(
        "webhook: processor time for 1,000 reviews",
        cpu * 1000 / REVIEWS,
        MAX_CPU_PER_1000,
    );
    let rate = |time: Duration| format!("{:.0}/s", f64::from(REVIEWS) / time.as_secs_f64());
    table.note("webhook: reviews a core", rate(cpu));
    table.note("webhook: reviews, beside their client", rate(took));
    table.bytes(
        "webhook: peak memory",
        memory(webhook.server.pid(), "VmHWM")?,
        MAX_PEAK,
    );
    Ok(())
}

struct Webhook {
    server: Server,
    url: String,
    admin: String,
    review: String,
    cluster: Cluster,
}

/// What the cluster has: an Injection for pods to name.
const MANIFESTS: &str = "
apiVersion: v1
kind: Namespace
metadata: { name: shop }
---
apiVersion: esi.external-secrets.io/v1alpha1
kind: Injection
metadata: { name: db, namespace: shop }
spec:
  source: { generator: { kind: PostgreSQL, namespace: platform, name: shop } }
  env: [{ name: DB_USER, key: username }, { name: DB_PASS, key: password }]
  files: [{ path: db.json, format: json }]
";

impl Webhook {
    async fn start() -> Result<Self> {
        let cluster = Cluster::start().await?;
        let client = cluster.admin().await?;
        Manifests::of_folder(&deploy("crds"))?.apply(&client).await?;
        Manifests::parse(MANIFESTS)?.apply(&client).await?;
        let write = |name: &str, text: &str| -> Result<String> {
            let path = cluster.dir().join(name);
            fs::write(&path, text)?;
            Ok(path.display().to_string())
        };
        let identity = cluster.certificate(&["localhost"])?;
        let configuration = deployed("webhook/config.yaml")?.replace("server-ca/ca.pem", "ca.crt");
        let (listen, admin) = (free_port()?, format!("127.0.0.1:{}", free_port()?));
        let mut server = Server::start(
            "root",
            &binary("esi-webhook")?,
            &[
                "serve",
                "--kubeconfig",
                &write(
                    "webhook.kubeconfig",
                    &cluster.kubeconfig("admin", &["system:masters"])?,
                )?,
                "--config",
                &write("webhook.yaml", &configuration)?,
                "--listen",
                &format!("127.0.0.1:{listen}"),
                "--admin-listen",
                &admin,
                "--tls-cert",
                &write("webhook.crt", &identity.certificate)?,
                "--tls-key",
                &write("webhook.key", &identity.key)?,
            ],
            &cluster.dir().join("esi-webhook.log"),
        )?;
        let ready = format!("http://{admin}/readyz");
        server
            .wait_until_async("it knows the cluster", async || {
                reqwest::get(&ready)
                    .await
                    .is_ok_and(|it| it.status().is_success())
            })
            .await?;
        Ok(Self {
            server,
            url: format!("https://localhost:{listen}/mutate"),
            admin,
            review: review(),
            cluster,
        })
    }

    /// One connection, kept.
    fn client(&self) -> Result<Client> {
        let ca = Certificate::from_pem(self.cluster.ca().as_bytes())?;
        Ok(Client::builder()
            .tls_certs_only([ca])
            .pool_max_idle_per_host(1)
            .build()?)
    }

    async fn ask_many(&self, client: &Client, count: u32) -> Result<Vec<Duration>> {
        ask(client, &self.url, &self.review, count).await
    }

    async fn metrics(&self, client: &Client) -> Result<String> {
        let url = format!("http://{}/metrics", self.admin);
        Ok(client.get(url).send().await?.text().await?)
    }
}

/// Sends the review so many times, one after the other, and tells how long each took.
async fn ask(client: &Client, url: &str, review: &str, count: u32) -> Result<Vec<Duration>> {
    let mut times = Vec::new();
    for _ in 0..count {
        let request = client.post(url).header("content-type", "application/json");
        let started = Instant::now();
        let answer = request.body(review.to_owned()).send().await?.bytes().await?;
        times.push(started.elapsed());
        ensure!(
            answer.windows(11).any(|window| window == b"\"patchType\""),
            "not patched: {}",
            String::from_utf8_lossy(&answer)
        );
    }
    Ok(times)
}

/// A pod as a Deployment makes it, with two bindings for two containers.
fn review() -> String {
    let container = |name: &str| {
        json!({
            "name": name,
            "image": format!("registry.example.com/{name}@sha256:{}", "0".repeat(64)),
            "env": (0..20).map(|n| json!({"name": format!("SETTING_{n}"), "value": "a value of usual length"})).collect::<Vec<_>>(),
            "resources": {"requests": {"cpu": "100m", "memory": "128Mi"}, "limits": {"memory": "256Mi"}},
            "ports": [{"containerPort": 8080, "protocol": "TCP"}],
            "livenessProbe": {"httpGet": {"path": "/healthz", "port": 8080, "scheme": "HTTP"}, "periodSeconds": 10},
            "volumeMounts": [{"name": "kube-api-access", "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount", "readOnly": true}],
            "terminationMessagePath": "/dev/termination-log",
            "terminationMessagePolicy": "File",
            "imagePullPolicy": "IfNotPresent"
        })
    };
    let prefix = "esi.external-secrets.io";
    let pod = json!({
        "kind": "Pod", "apiVersion": "v1",
        "metadata": {
            "generateName": "web-5d8f7c9b4-",
            "labels": {"app": "web", "pod-template-hash": "5d8f7c9b4"},
            "annotations": {
                format!("{prefix}/inject"): "db",
                format!("{prefix}/generator"): "PostgreSQL/platform/shop",
                format!("{prefix}/files"): "db.json=json,password=.password",
                format!("{prefix}/containers"): "app,metrics"
            },
            "ownerReferences": [{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web-5d8f7c9b4", "uid": "1", "controller": true}]
        },
        "spec": {
            "volumes": [{"name": "kube-api-access", "projected": {"sources": [{"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}}]}}],
            "containers": [container("app"), container("metrics")],
            "securityContext": {"runAsUser": 1000, "fsGroup": 1000},
            "serviceAccountName": "web", "restartPolicy": "Always", "terminationGracePeriodSeconds": 30
        }
    });
    let (kind, resource) = (
        json!({"group": "", "version": "v1", "kind": "Pod"}),
        json!({"group": "", "version": "v1", "resource": "pods"}),
    );
    json!({
        "kind": "AdmissionReview", "apiVersion": "admission.k8s.io/v1",
        "request": {
            "uid": "705ab4f5-6393-11e8-b7cc-42010a800002",
            "kind": kind, "resource": resource, "requestKind": kind, "requestResource": resource,
            "namespace": "shop", "operation": "CREATE",
            "userInfo": {"username": "system:serviceaccount:kube-system:replicaset-controller", "groups": ["system:authenticated"]},
            "object": pod, "oldObject": null, "dryRun": false,
            "options": {"kind": "CreateOptions", "apiVersion": "meta.k8s.io/v1"}
        }
    })
    .to_string()
}

/// How many reviews took at most so long, by what the webhook itself counted.
struct Own(Vec<(Duration, u64)>);

impl Own {
    fn between(before: &str, after: &str) -> Result<Self> {
        let (before, after) = (buckets(before)?, buckets(after)?);
        let count = |bound: &u64| before.get(bound).copied().unwrap_or(0);
        let counted = after
            .iter()
            .map(|(bound, all)| (Duration::from_nanos(*bound), all - count(bound)));
        Ok(Self(counted.collect()))
    }

    /// The upper bound of the bucket in which it is.
    fn percentile(&self, percent: u64) -> Duration {
        let all = self.0.last().map_or(0, |(_, count)| *count);
        let wanted = (all * percent).div_ceil(100);
        let found = self.0.iter().find(|(_, count)| *count >= wanted);
        found.map_or(Duration::MAX, |(bound, _)| *bound)
    }
}

/// Upper bounds in nanoseconds, and how many are below each.
fn buckets(metrics: &str) -> Result<BTreeMap<u64, u64>> {
    let name = "esi_webhook_admission_duration_seconds_bucket{le=\"";
    let lines = metrics.lines().filter_map(|line| line.strip_prefix(name));
    lines
        .map(|line| {
            let (bound, count) = line.split_once("\"} ").context("a bucket without a count")?;
            let bound = match bound {
                "+Inf" => u64::MAX,
                seconds => (seconds.parse::<f64>()? * 1e9).round() as u64,
            };
            Ok((bound, count.parse()?))
        })
        .collect()
}
