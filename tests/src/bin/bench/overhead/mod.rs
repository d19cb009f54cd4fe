//! What an issue through the server costs beyond what its backend takes for the same work.
//!
//! One after the other, in turns, so that both meet the same machine.

mod openbao;
mod postgres;

use std::time::Duration;

use anyhow::Result;
use esi_tests::federation::{issue_request, request_id};
use esi_tests::issuer::Pod;
use tokio::time::Instant;

use crate::machine::{median, percentile};
use crate::server::{Server, issue};
use crate::table::{Millis, Table};

/// Not counted: connections, caches.
const WARM_UP: usize = 20;
/// Of each: enough for a median that interruptions do not move.
const ROUNDS: usize = 300;
const BUDGET: Duration = Duration::from_millis(3);

pub(crate) async fn measure(table: &mut Table) -> Result<()> {
    postgres::measure(table).await?;
    openbao::measure(table).await
}

/// Takes turns between `directly` at the backend and through the server.
async fn compare(
    table: &mut Table,
    backend: &str,
    server: &Server,
    generator: &str,
    mut directly: impl AsyncFnMut(usize) -> Result<()>,
) -> Result<()> {
    let channel = server.connect().await?;
    let (mut alone, mut through) = (Vec::new(), Vec::new());
    for round in 0..WARM_UP + ROUNDS {
        let started = Instant::now();
        directly(round).await?;
        alone.push(started.elapsed());

        let token = server.federation.issuer.token(&Pod::new());
        let request = issue_request(generator, "db", &request_id());
        let started = Instant::now();
        issue(&channel, &token, request).await?;
        through.push(started.elapsed());
    }
    let alone = median(&mut alone[WARM_UP..]);
    let slow = percentile(&mut through[WARM_UP..], 99);
    let through = median(&mut through[WARM_UP..]);
    table.note(&format!("{backend}: directly, p50"), Millis(alone));
    table.note(&format!("{backend}: through the server, p50"), Millis(through));
    table.note(&format!("{backend}: through the server, p99"), Millis(slow));
    table.time(
        &format!("{backend}: the server's overhead, p50"),
        through.saturating_sub(alone),
        BUDGET,
    );
    Ok(())
}
