//! `esi-webhook`: the admission webhook, and what it would do.

use std::io::{self, Write as _};
use std::process::ExitCode;

use clap::Parser as _;
use esi_webhook::args::Args;

fn main() -> ExitCode {
    match Args::parse().run() {
        Ok(code) => code,
        Err(error) => {
            let code = error.exit_code();
            let error = esi_core::chain(&error);
            if tracing::dispatcher::has_been_set() {
                tracing::error!(error, "the webhook ends");
            } else {
                // What is wrong may be the log itself. A standard error that is closed changes nothing more.
                writeln!(io::stderr(), "error: {error}").unwrap_or_default();
            }
            ExitCode::from(code)
        }
    }
}
