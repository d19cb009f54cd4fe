//! `esi-federation`: the server that authenticates, authorises, issues and revokes.

use std::process::ExitCode;

use clap::Parser as _;
use esi_federation::args::Args;

fn main() -> ExitCode {
    match Args::parse().run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(error = esi_core::chain(&error), "the server ends");
            ExitCode::FAILURE
        }
    }
}
