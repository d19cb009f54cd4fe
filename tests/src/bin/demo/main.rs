//! `make demo`: ESI's main job on a real PostgreSQL, step by step, each checked and timed.

use std::process::ExitCode;

mod stage;
mod story;

fn main() -> ExitCode {
    let told = tokio::runtime::Runtime::new()
        .map_err(anyhow::Error::from)
        .and_then(|rt| rt.block_on(story::tell()));
    match told {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("\nthe demo failed: {error:#}");
            ExitCode::FAILURE
        }
    }
}
