//! The budgets of the design, measured on the shipped binaries: `make bench`.
//!
//! ```text
//!  issue ──────▶ how many a second, how late, at what processor time      ┐
//!  overhead ───▶ what the server adds to PostgreSQL's and OpenBao's time  ├─▶ table
//!  cli ────────▶ size, start, memory, and what it adds to the server      │
//!  webhook ────▶ how late, at what processor time and memory              │
//!  node ───────▶ how late, at what memory and processor time later on     ┘
//! ```
//!
//! `bench postgres cli` measures these two alone.

mod cli;
mod issue;
mod machine;
mod node;
mod overhead;
mod server;
mod table;
mod webhook;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, ValueEnum};
use table::Table;

/// Prints the figures of the budgets.
#[derive(Parser)]
struct Args {
    /// What to measure; everything where nothing is named.
    parts: Vec<Part>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    Issue,
    Postgres,
    Openbao,
    Cli,
    Webhook,
    Node,
}

#[tokio::main(worker_threads = 2)]
async fn main() -> Result<ExitCode> {
    // For HTTP clients, which look for one.
    esi_runtime::crypto::install()?;
    let parts = match Args::parse().parts {
        none if none.is_empty() => Part::value_variants().to_vec(),
        parts => parts,
    };
    let mut table = Table::new(machine::load_average()?);
    for part in parts {
        match part {
            Part::Issue => issue::measure(&mut table).await?,
            Part::Postgres => overhead::postgres::measure(&mut table).await?,
            Part::Openbao => overhead::openbao::measure(&mut table).await?,
            Part::Cli => cli::measure(&mut table).await?,
            Part::Webhook => webhook::measure(&mut table).await?,
            Part::Node => node::measure(&mut table).await?,
        }
    }
    table.print();
    Ok(if table.is_missed() {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}
