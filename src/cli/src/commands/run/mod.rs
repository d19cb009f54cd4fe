//! `run`: fetch, start the command, stay beside it, and give its credentials back when it ends.
//!
//! ```text
//!  signals ──┐                         ┌─▶ forwarded to the command
//!            ├─▶ the one loop ── wait ─┤
//!  keepers ──┘  (owns the command)     └─▶ its end: revoke, remove the volumes made, return its code
//!  one per server: report ─▶ rotate
//! ```

mod attend;
mod keep;
mod report_time;
mod signals;
mod terminal;

use std::sync::Arc;
use std::time::Duration;

use super::{GIVE_BACK_AFTER_FAILURE, block_on};
use crate::command::CommandLine;
use crate::config::Config;
use crate::deliver::Delivery;
use crate::exit::Failure;
use crate::harden::CoreLimit;
use crate::log;
use crate::session::Session;
use signals::Signals;

/// How long giving back may take after the command's end, retries included.
const GIVE_BACK: Duration = Duration::from_secs(10);

/// Returns the command's own exit code, or 128 and the number of the signal that ended it or the start.
///
/// # Errors
/// If not every plan is fulfilled, or the command cannot be started.
pub(crate) fn run(config: Config, command: &CommandLine, core_limit: &CoreLimit) -> Result<u8, Failure> {
    block_on(|runtime| runtime.block_on(from_start_to_end(config, command, core_limit)))
}

async fn from_start_to_end(
    config: Config,
    command: &CommandLine,
    core_limit: &CoreLimit,
) -> Result<u8, Failure> {
    // First, so that no signal finds a credential and nobody who gives it back.
    let mut signals = Signals::listen()?;
    let mut delivery = Delivery::new(config.volumes.clone(), None);
    let plans = config.plans.clone();
    let session = Session::new(config)?;
    let made = delivery.make_volumes(&plans);
    let delivery = Arc::new(delivery);
    let outcome = match made {
        Err((binding, source)) => Err(Failure::Deliver { binding, source }),
        Ok(()) => attend::attend(&session, &delivery, &mut signals, command, core_limit).await,
    };
    let span = if outcome.is_ok() {
        GIVE_BACK
    } else {
        GIVE_BACK_AFTER_FAILURE
    };
    session.give_back(span).await;
    if let Err(error) = delivery.remove_made() {
        log::say(format_args!(
            "a volume with ended credentials could not be removed: {error}"
        ));
    }
    outcome
}
