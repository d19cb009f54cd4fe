//! Prints how many leases per second one SQLite ledger begins and activates, and how long one waits.
//!
//! `cargo run --release -p esi-ledger --example throughput [folder] [callers]`. The folder decides the disk.
#![expect(clippy::print_stdout, reason = "printing is what it is for")]

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use esi_core::{BindingKey, Ends, Handle, RequestId, SystemClock};
use esi_ledger::SqliteStore;
use esi_ledger::port::{Activation, NewLease, Owner, Store as _};
use tokio::time::Instant;

const PAIRS_EACH: usize = 1000;

type Failure = Box<dyn std::error::Error + Send + Sync>;

fn new_lease(instance: String) -> Result<NewLease, Failure> {
    Ok(NewLease {
        key: BindingKey {
            cluster: "prod".parse()?,
            instance,
            binding: "db".parse()?,
        },
        owner: Owner {
            namespace: "shop".parse()?,
            service_account: "web".parse()?,
            name: "web-0".to_owned(),
            node: Some("node-1".parse()?),
        },
        generator: "PostgreSQL/platform/shop".parse()?,
        request_id: RequestId::random(),
        mint_within: Duration::from_secs(30),
        visibility_lag: Duration::from_secs(10),
        overlap: Duration::from_secs(60),
    })
}

async fn pairs(store: Arc<SqliteStore>, caller: usize) -> Result<Vec<Duration>, Failure> {
    let mut waits = Vec::with_capacity(PAIRS_EACH);
    for number in 0..PAIRS_EACH {
        let new = new_lease(format!("pod:{caller}-{number}"))?;
        let started = Instant::now();
        let begun = store.begin(new).await?;
        let activation = Activation {
            handle: Handle::default().with("role", begun.intent.name('_')),
            expires_in: Duration::from_secs(3600),
            max_expires_in: None,
            renewable: true,
            ends: Ends::AtOnce,
            acknowledged: false,
        };
        store.activate(begun.intent.lease, activation).await?;
        waits.push(started.elapsed());
    }
    Ok(waits)
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let mut arguments = std::env::args().skip(1);
    let base = arguments.next().map_or_else(std::env::temp_dir, PathBuf::from);
    let callers: usize = arguments.next().map_or(Ok(64), |number| number.parse())?;
    let folder = tempfile::tempdir_in(base)?;
    let store = Arc::new(SqliteStore::open(
        &folder.path().join("ledger.db"),
        Arc::new(SystemClock),
    )?);

    let started = Instant::now();
    let tasks: Vec<_> = (0..callers)
        .map(|caller| tokio::spawn(pairs(Arc::clone(&store), caller)))
        .collect();
    let mut waits = Vec::new();
    for task in tasks {
        waits.extend(task.await??);
    }
    let elapsed = started.elapsed().as_secs_f64();
    waits.sort();
    let at = |share: usize| waits.get(waits.len() * share / 100).copied().unwrap_or_default();
    let pairs = waits.len();
    println!(
        "{callers} callers: {:.0} pairs/s, p50 {:?}, p99 {:?}",
        f64::from(u32::try_from(pairs)?) / elapsed,
        at(50),
        at(99)
    );
    Ok(())
}
