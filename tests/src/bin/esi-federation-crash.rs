//! `esi-federation` that kills itself, as `kill -9` would, when it reaches the step named by `ESI_TEST_KILL_AT`.

use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser as _;
use esi_core::Checkpoint;
use esi_federation::args::Args;
use rustix::process::{Signal, getpid, kill_process};

#[derive(Debug)]
struct KillAt(Option<String>);

impl Checkpoint for KillAt {
    fn reach(&self, step: &'static str) {
        if self.0.as_deref() == Some(step) {
            kill_process(getpid(), Signal::KILL).unwrap();
        }
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the one setting of this binary, beside the server's own flags"
)]
fn main() -> ExitCode {
    let step = std::env::var("ESI_TEST_KILL_AT").ok();
    match Args::parse().run_with(Arc::new(KillAt(step))) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{}", esi_core::chain(&error));
            ExitCode::FAILURE
        }
    }
}
