//! A node's volumes, filled by a real server, and the daemon's life with them: kubelet publishes each again every 60 to
//! 90 s, and the daemon reports them.

use std::fs;
use std::time::Duration;

use anyhow::{Result, ensure};
use esi_tests::issuer::{self, AUDIENCE, Issuer};
use esi_tests::node::Volume;
use serde_json::json;
use tempfile::TempDir;
use tokio::time::{Instant, interval};

use super::calls::publish;
use super::scene::Scene;
use crate::machine::{cpu_time, memory, percentile};
use crate::server::{FREE, FREE_MANIFEST, Server};
use crate::table::{Millis, Table};

/// As many pods as a large node has.
const VOLUMES: u32 = 250;
/// kubelet's mean: it publishes again after 60 to 90 s.
const REPUBLISH: Duration = Duration::from_secs(75);
/// Of all volumes, one round after the other, so that a tick of the processor's clock (10 ms) is little.
const ROUNDS: u32 = 10;
const MAX_MEMORY: u64 = 15 * 1024 * 1024;
/// Of one core.
const MAX_CPU_PERCENT: f64 = 1.0;

pub(super) async fn measure(table: &mut Table) -> Result<()> {
    let node = Node::start().await?;
    let volumes = node.volumes();
    node.scene.prepare(&volumes)?;
    let mut beyond = Vec::new();
    for volume in &volumes {
        let before = node.server.own_time_of("Issue").await?;
        let took = publish(&node.scene.kubelet, volume).await?;
        let after = node.server.own_time_of("Issue").await?;
        ensure!(after.0 - before.0 == 1, "not one Issue");
        beyond.push(took.call.saturating_sub(after.1 - before.1));
    }
    node.scene.check_mounts(&volumes)?;
    table.note(
        "node: publish and fill, beyond the server, p50",
        Millis(percentile(&mut beyond, 50)),
    );
    table.note(
        "node: publish and fill, beyond the server, p99",
        Millis(percentile(&mut beyond, 99)),
    );

    let pid = node.scene.pid()?;
    table.bytes("node: memory with 250 volumes", memory(pid, "VmRSS")?, MAX_MEMORY);
    node.republish_in_rounds(&volumes, table).await?;
    node.live(&volumes, table).await?;
    table.bytes(
        "node: peak memory with 250 volumes",
        memory(pid, "VmHWM")?,
        MAX_MEMORY,
    );
    Ok(())
}

/// A node whose daemon the server believes.
struct Node {
    server: Server,
    scene: Scene,
    _files: TempDir,
}

impl Node {
    async fn start() -> Result<Self> {
        let server = Server::start(FREE_MANIFEST, &[FREE])?;
        let files = tempfile::tempdir()?;
        let path = |name: &str| files.path().join(name);
        fs::create_dir(path("tokens"))?;
        let daemon = issuer::Pod {
            namespace: "esi-system".to_owned(),
            service_account: "esi-node".to_owned(),
            ..issuer::Pod::new()
        };
        let token = server.federation.issuer.sign(&Issuer::claims(&daemon));
        fs::write(path("tokens/default"), token)?;
        let ca = fs::read_to_string(server.federation.ca())?;
        let servers = json!({"default": {"url": server.federation.url(), "ca": ca, "audience": AUDIENCE}});
        fs::write(path("servers.json"), servers.to_string())?;
        let (servers, tokens) = (
            path("servers.json").display().to_string(),
            path("tokens").display().to_string(),
        );
        let scene = Scene::start(&["--servers", &servers, "--token-dir", &tokens]).await?;
        Ok(Self {
            server,
            scene,
            _files: files,
        })
    }

    /// Volumes that the daemon fills, of a pod each.
    fn volumes(&self) -> Vec<Volume> {
        let (kind, rest) = FREE.split_once('/').unwrap_or_default();
        let (namespace, name) = rest.split_once('/').unwrap_or_default();
        let plan = json!({
            "version": 1, "binding": "db",
            "source": {"generator": {"kind": kind, "namespace": namespace, "name": name}},
            "files": [
                {"path": "conf/db.json", "format": "json"},
                {"path": "password", "key": "password", "mode": "0400"}
            ]
        });
        let volume = || {
            let pod = issuer::Pod::new();
            let token = self.server.federation.issuer.token(&pod);
            let mut volume = Volume::node(&pod.uid)
                .with_plan(&plan)
                .with_token(AUDIENCE, &token);
            (volume.namespace, volume.pod_name) = (pod.namespace, pod.name);
            volume.service_account = pod.service_account;
            volume
        };
        (0..VOLUMES).map(|_| volume()).collect()
    }

    /// Faster than kubelet does, for the price of each.
    async fn republish_in_rounds(&self, volumes: &[Volume], table: &mut Table) -> Result<()> {
        let pid = self.scene.pid()?;
        let (before, mut times) = (cpu_time(pid)?, Vec::new());
        for _ in 0..ROUNDS {
            for volume in volumes {
                times.push(publish(&self.scene.kubelet, volume).await?.call);
            }
        }
        let each = (cpu_time(pid)? - before) / (ROUNDS * VOLUMES);
        table.note("node: publish again, p50", Millis(percentile(&mut times, 50)));
        table.note("node: publish again, p99", Millis(percentile(&mut times, 99)));
        table.note("node: processor time of publishing again", Millis(each));
        Ok(())
    }

    /// Publishes each volume again once, as far apart as kubelet does: all that the daemon does in that time counts.
    async fn live(&self, volumes: &[Volume], table: &mut Table) -> Result<()> {
        let pid = self.scene.pid()?;
        let reports = self.server.own_time_of("Report").await?.0;
        let (started, before) = (Instant::now(), cpu_time(pid)?);
        let mut next = interval(REPUBLISH / VOLUMES);
        for volume in volumes {
            next.tick().await;
            publish(&self.scene.kubelet, volume).await?;
        }
        let (took, cpu) = (started.elapsed(), cpu_time(pid)? - before);
        let reports = self.server.own_time_of("Report").await?.0 - reports;
        table.percent(
            "node: of a core, with 250 volumes, for 75 s",
            100.0 * cpu.as_secs_f64() / took.as_secs_f64(),
            MAX_CPU_PERCENT,
        );
        table.note("node: reports in that time", reports);
        Ok(())
    }
}
