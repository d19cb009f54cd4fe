//! `esi-node`: the node daemon.

use std::io::{self, Write as _};
use std::process::ExitCode;

use clap::Parser as _;
use esi_node::args::Args;

fn main() -> ExitCode {
    match Args::parse().run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let error = esi_core::chain(&error);
            if tracing::dispatcher::has_been_set() {
                tracing::error!(error, "the node daemon ends");
            } else {
                // What is wrong may be the log itself. A standard error that is closed changes nothing more.
                writeln!(io::stderr(), "error: {error}").unwrap_or_default();
            }
            ExitCode::FAILURE
        }
    }
}
