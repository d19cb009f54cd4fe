//! One volume after the other, as an init container would fill it: nothing is issued, so that all is the daemon's own
//! work and the disk's.

use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

use anyhow::{Result, ensure};
use tokio::time::Instant;

use super::calls::{self, publish, unpublish};
use super::scene::{Scene, file_system, init_volumes};
use crate::machine::percentile;
use crate::table::{Millis, Table};

/// Not counted: the first calls warm up the allocator and the threads of both.
const WARM_UP: usize = 50;
const MEASURED: usize = 1000;

pub(super) async fn measure(table: &mut Table) -> Result<()> {
    let scene = Scene::start(&[]).await?;
    let kind = file_system(scene.state())?;
    ensure!(kind != "tmpfs", "the records are in memory, not on a disk");
    table.note("node: the records are on", kind);

    let volumes = init_volumes(WARM_UP + MEASURED);
    scene.prepare(&volumes)?;
    let (mut published, mut disk) = (Vec::new(), Vec::new());
    for (number, volume) in volumes.iter().enumerate() {
        published.push(publish(&scene.kubelet, volume).await?);
        // In between, because a disk is now quick, now slow.
        disk.push(sync(scene.state(), number)?);
    }
    scene.check_mounts(&volumes)?;
    let mut unpublished = Vec::new();
    for volume in &volumes {
        unpublished.push(unpublish(&scene.kubelet, volume, &scene.root()).await?);
    }
    scene.check_mounts(&[])?;

    calls::tell(table, "publish", &published[WARM_UP..]);
    calls::tell(table, "unpublish", &unpublished[WARM_UP..]);
    let disk = &mut disk[WARM_UP..];
    table.note(
        "node: one new file synced there, p50",
        Millis(percentile(disk, 50)),
    );
    table.note(
        "node: one new file synced there, p99",
        Millis(percentile(disk, 99)),
    );
    Ok(())
}

/// What the disk alone takes for a record: a new file, and its name. It stays out of the daemon's way by its name.
fn sync(folder: &Path, number: usize) -> Result<Duration> {
    let started = Instant::now();
    let mut file = File::create_new(folder.join(format!("bench-{number}")))?;
    file.write_all(&[b' '; 1024])?;
    file.sync_data()?;
    File::open(folder)?.sync_all()?;
    Ok(started.elapsed())
}
