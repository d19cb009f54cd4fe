//! A thousand volumes at once, such as a node has after it was restarted.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use tokio::sync::Barrier;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::calls::publish;
use super::scene::{Scene, init_volumes};
use crate::machine::percentile;
use crate::table::{Millis, Table};

const VOLUMES: usize = 1000;

pub(super) async fn measure(table: &mut Table) -> Result<()> {
    // A socket for each on this side as well.
    let _descriptors = esi_runtime::descriptors::raise();
    let scene = Scene::start(&[]).await?;
    let volumes = init_volumes(VOLUMES);
    scene.prepare(&volumes)?;
    let start = Arc::new(Barrier::new(VOLUMES + 1));
    let mut calls = JoinSet::new();
    for volume in &volumes {
        let (kubelet, volume) = (scene.kubelet.clone(), volume.clone());
        let start = Arc::clone(&start);
        calls.spawn(async move {
            start.wait().await;
            publish(&kubelet, &volume).await
        });
    }
    start.wait().await;
    let started = Instant::now();
    let mut times: Vec<Duration> = Vec::new();
    while let Some(done) = calls.join_next().await {
        times.push(done??.whole);
    }
    let took = started.elapsed();
    scene.check_mounts(&volumes)?;
    table.note("node: 1,000 volumes at once, all there, once each", Millis(took));
    table.note(
        "node: the same, each with its connections, p50",
        Millis(percentile(&mut times, 50)),
    );
    table.note(
        "node: the same, each with its connections, p99",
        Millis(percentile(&mut times, 99)),
    );
    Ok(())
}
