//! Issues from a generator that costs nothing: what is left is the server's own work, every lease durable on disk.
//!
//! The callers run on the same cores as the server, so the rate is that of both together.

use std::time::Duration;

use anyhow::{Result, ensure};
use esi_tests::federation::{issue_request, request_id};
use esi_tests::issuer::Pod;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tonic::transport::Channel;

use crate::machine::{cpu_time, percentile};
use crate::server::{FREE, FREE_MANIFEST, Server, issue};
use crate::table::{Millis, Table};

/// Nodes that call at the same time.
const CONNECTIONS: usize = 6;
/// Calls under way on each: together enough to keep two cores busy at the budget's rate (Little's law: 3,000/s of
/// 6 ms each are 18), and no more, for beyond that only the queue grows.
const CALLERS_EACH: usize = 3;
const WARM_UP: usize = 3_000;
const MEASURED: usize = 24_000;

const RATE: f64 = 3_000.0;
const P99: Duration = Duration::from_millis(10);

pub(crate) async fn measure(table: &mut Table) -> Result<()> {
    let mut server = Server::start(FREE_MANIFEST, &[FREE])?;
    let mut channels = Vec::new();
    for _ in 0..CONNECTIONS {
        channels.push(server.connect().await?);
    }
    let tokens = |number: usize| -> Vec<String> {
        let issuer = &server.federation.issuer;
        (0..number).map(|_| issuer.token(&Pod::new())).collect()
    };
    let (warm_up, measured) = (tokens(WARM_UP), tokens(MEASURED));
    storm(&channels, warm_up).await?;

    let pid = server.federation.process().pid();
    let (before, started) = (cpu_time(pid)?, Instant::now());
    let mut times = storm(&channels, measured).await?;
    let (elapsed, cpu) = (started.elapsed(), cpu_time(pid)? - before);
    ensure!(
        times.len() == MEASURED,
        "{} of {MEASURED} were issued",
        times.len()
    );

    table.rate(
        "issue (Fake, durable): 18 callers, 6 connections",
        MEASURED as f64 / elapsed.as_secs_f64(),
        RATE,
    );
    table.note("issue: p50", Millis(percentile(&mut times, 50)));
    table.time("issue: p99", percentile(&mut times, 99), P99);
    table.note("issue: longest", Millis(percentile(&mut times, 100)));
    table.note(
        "issue: the server's processor time per 1,000",
        format!("{:.3} s", cpu.as_secs_f64() * 1e3 / MEASURED as f64),
    );
    Ok(())
}

/// One issue for each token, each for a pod of its own; how long each took.
async fn storm(channels: &[Channel], tokens: Vec<String>) -> Result<Vec<Duration>> {
    let callers = CONNECTIONS * CALLERS_EACH;
    let share = tokens.len() / callers;
    let mut tasks = JoinSet::new();
    for (tokens, channel) in tokens.chunks(share).zip(channels.iter().cycle()) {
        let (tokens, channel) = (tokens.to_vec(), channel.clone());
        tasks.spawn(async move {
            let mut times = Vec::with_capacity(tokens.len());
            for token in tokens {
                let started = Instant::now();
                issue(&channel, &token, issue_request(FREE, "db", &request_id())).await?;
                times.push(started.elapsed());
            }
            anyhow::Ok(times)
        });
    }
    let mut times = Vec::new();
    while let Some(done) = tasks.join_next().await {
        times.extend(done??);
    }
    Ok(times)
}
