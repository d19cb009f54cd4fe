//! What an issue through the server costs beyond what its backend takes for the same work.
//!
//! One after the other, in pairs whose order changes, so that both meet the same machine: a disk that is slow for a
//! while is slow for both. What counts is the median of the differences within the pairs.

pub(crate) mod openbao;
pub(crate) mod postgres;

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
/// Enough for a median that interruptions do not move.
const PAIRS: usize = 300;
const BUDGET: Duration = Duration::from_millis(3);

/// Takes turns between `directly` at the backend, which is told the number of its round, and through the server.
async fn compare(
    table: &mut Table,
    backend: &str,
    server: &Server,
    generator: &str,
    mut directly: impl AsyncFnMut(usize) -> Result<()>,
) -> Result<()> {
    let channel = server.connect().await?;
    let mut alone = async |round| {
        let started = Instant::now();
        directly(round).await?;
        anyhow::Ok(started.elapsed())
    };
    let through = async || {
        let token = server.federation.issuer.token(&Pod::new());
        let request = issue_request(generator, "db", &request_id());
        let started = Instant::now();
        issue(&channel, &token, request).await?;
        anyhow::Ok(started.elapsed())
    };
    let mut pairs = Vec::with_capacity(WARM_UP + PAIRS);
    for round in 0..WARM_UP + PAIRS {
        pairs.push(if round % 2 == 0 {
            let first = alone(round).await?;
            (first, through().await?)
        } else {
            let first = through().await?;
            (alone(round).await?, first)
        });
    }
    report(table, backend, &pairs[WARM_UP..]);
    Ok(())
}

/// Each pair: alone, through the server.
fn report(table: &mut Table, backend: &str, pairs: &[(Duration, Duration)]) {
    let (mut alone, mut through): (Vec<_>, Vec<_>) = pairs.iter().copied().unzip();
    table.note(&format!("{backend}: directly, p50"), Millis(median(&mut alone)));
    table.note(
        &format!("{backend}: through the server, p50"),
        Millis(median(&mut through)),
    );
    table.note(
        &format!("{backend}: through the server, p99"),
        Millis(percentile(&mut through, 99)),
    );
    let mut more: Vec<_> = pairs
        .iter()
        // A pair in which the server was the faster one counts as none: it is below the median all the same.
        .map(|(alone, through)| through.saturating_sub(*alone))
        .collect();
    table.time(
        &format!("{backend}: the server's overhead, median of pairs"),
        median(&mut more),
        BUDGET,
    );
    let quartiles = [25, 75].map(|percent| Millis(percentile(&mut more, percent)));
    let [low, high] = quartiles;
    table.note(
        &format!("{backend}: the server's overhead, half of the pairs"),
        format!("{low} to {high}"),
    );
}
