//! Programs that kill themselves, as `kill -9` would, at a step that a test names.

use std::sync::Arc;

use esi_core::Checkpoint;
use rustix::process::{Signal, getpid, kill_process};

/// The environment variable with the step.
pub const STEP: &str = "ESI_TEST_KILL_AT";

#[derive(Debug)]
struct KillAt(Option<String>);

impl Checkpoint for KillAt {
    fn reach(&self, step: &'static str) {
        if self.0.as_deref() == Some(step) {
            kill_process(getpid(), Signal::KILL).unwrap();
        }
    }
}

/// Kills this process at the step that [`STEP`] names, or never.
#[must_use]
#[expect(
    clippy::disallowed_methods,
    reason = "the one setting of these binaries, beside the programs' own flags"
)]
pub fn at_the_named_step() -> Arc<dyn Checkpoint> {
    Arc::new(KillAt(std::env::var(STEP).ok()))
}
