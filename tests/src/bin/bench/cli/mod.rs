//! The static `esi-cli`, as a pod's init container runs it: a new pod, token and set of folders each time.

mod first_request;
mod pod;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use esi_tests::issuer::Pod;
use tokio::time::Instant;

use crate::machine::{median, percentile};
use crate::server::{FREE, FREE_MANIFEST, Server};
use crate::table::{Millis, Table};
use pod::Folders;

/// Enough for a median that interruptions do not move.
const RUNS: usize = 200;
/// Not counted: the file cache, and the server's first calls.
const WARM_UP: usize = 10;
/// Memory is the same each time.
const MEMORY_RUNS: usize = 20;
const MAX_SIZE: u64 = 5_000_000;
const MAX_PEAK: u64 = 8 * 1024 * 1024;
const MAX_START: Duration = Duration::from_millis(5);
const MAX_BEYOND_SERVER: Duration = Duration::from_millis(5);
const MAX_FIRST_REQUEST: Duration = Duration::from_millis(5);

pub(crate) async fn measure(table: &mut Table) -> Result<()> {
    let binary = std::env::var_os("ESI_CLI_STATIC").map(PathBuf::from);
    let binary = binary.context("ESI_CLI_STATIC names the static esi-cli: use `make bench`")?;
    table.bytes("esi-cli: size", std::fs::metadata(&binary)?.len(), MAX_SIZE);
    table.time("esi-cli: start and end (--version)", version(&binary)?, MAX_START);
    let first_request = first_request::measure(&binary).await?;
    table.time(
        "esi-cli: start to first request",
        first_request,
        MAX_FIRST_REQUEST,
    );
    init(&binary, table).await
}

fn version(binary: &Path) -> Result<Duration> {
    let mut times = Vec::new();
    for _ in 0..RUNS {
        times.push(timed(
            Command::new(binary).arg("--version").stdout(Stdio::null()),
        )?);
    }
    Ok(median(&mut times))
}

/// Runs it to its end; how long that took.
fn timed(command: &mut Command) -> Result<Duration> {
    let started = Instant::now();
    let status = command.status()?;
    let took = started.elapsed();
    ensure!(status.success(), "{command:?} ended with {status}");
    Ok(took)
}

async fn init(binary: &Path, table: &mut Table) -> Result<()> {
    let server = Server::start(FREE_MANIFEST, &[FREE])?;
    let url = server.federation.url();
    let ca = std::fs::read_to_string(server.federation.ca())?;
    let folders = || Folders::new(&server.federation.issuer.token(&Pod::new()));
    let (mut whole, mut own, mut beyond) = (Vec::new(), Vec::new(), Vec::new());
    for run in 0..WARM_UP + RUNS {
        let folders = folders()?;
        let before = server.own_time().await?;
        let took = timed(folders.command(binary, &url, &ca).arg("init"))?;
        let after = server.own_time().await?;
        ensure!(after.0 - before.0 == 2, "not one Issue and one Acknowledge");
        if run < WARM_UP {
            continue;
        }
        let server_took = after.1 - before.1;
        whole.push(took);
        own.push(server_took);
        // Of one and the same run: the disk under the ledger is now quick, now slow.
        beyond.push(took.saturating_sub(server_took));
    }
    let mut peak = 0;
    for _ in 0..MEMORY_RUNS {
        peak = peak.max(peak_memory(folders()?.command(binary, &url, &ca))?);
    }
    table.note(
        "esi-cli: init over TLS, start to end, p50",
        Millis(median(&mut whole)),
    );
    table.note(
        "esi-cli: the server's own time in that, p50",
        Millis(median(&mut own)),
    );
    table.note(
        "esi-cli: init beyond that, p90",
        Millis(percentile(&mut beyond, 90)),
    );
    table.time(
        "esi-cli: init beyond the server's own time, p50",
        median(&mut beyond),
        MAX_BEYOND_SERVER,
    );
    table.bytes("esi-cli: peak memory", peak, MAX_PEAK);
    Ok(())
}

/// Most memory it ever had, in bytes, once all is fetched and delivered. The command that `run` starts then looks at
/// its parent: what the kernel tells of ended children counts what they shared with us before they became themselves.
fn peak_memory(mut command: Command) -> Result<u64> {
    let output = command
        .args([
            "run",
            "--",
            "sh",
            "-c",
            "sed -n 's/^VmHWM:[^0-9]*\\([0-9]*\\) kB/\\1/p' /proc/$PPID/status",
        ])
        .output()?;
    ensure!(
        output.status.success(),
        "{command:?} ended with {}",
        output.status
    );
    let kib: u64 = String::from_utf8(output.stdout)?.trim().parse()?;
    Ok(kib * 1024)
}
