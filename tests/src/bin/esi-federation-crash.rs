//! `esi-federation` that kills itself at a step: see `esi_tests::crash`.

use std::process::ExitCode;

use clap::Parser as _;
use esi_federation::args::Args;
use esi_tests::crash;

fn main() -> ExitCode {
    match Args::parse().run_with(crash::at_the_named_step()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{}", esi_core::chain(&error));
            ExitCode::FAILURE
        }
    }
}
