//! The budgets of the design, measured on the shipped binaries: `make bench`.
//!
//! ```text
//!  issue ──────▶ how many a second, how late, at what processor time      ┐
//!  overhead ───▶ what the server adds to PostgreSQL's and OpenBao's time  ├─▶ table
//!  cli ────────▶ size, start, memory, and what it adds to the server      │
//!  webhook ────▶ how late, at what processor time and memory              ┘
//! ```

mod cli;
mod issue;
mod machine;
mod overhead;
mod server;
mod table;
mod webhook;

use std::process::ExitCode;

use anyhow::Result;
use table::Table;

#[tokio::main(worker_threads = 2)]
async fn main() -> Result<ExitCode> {
    let mut table = Table::new(machine::load_average()?);
    issue::measure(&mut table).await?;
    overhead::measure(&mut table).await?;
    cli::measure(&mut table).await?;
    webhook::measure(&mut table).await?;
    table.print();
    Ok(if table.is_missed() {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}
