//! The four verbs. Each is one straight line; what they share is in `session` and `deliver`.

mod exec;
mod init;
mod render;
mod run;

pub(crate) use exec::{exec, exec_from};
pub(crate) use init::init;
pub(crate) use render::render;
pub(crate) use run::run;

use std::time::Duration;

use tokio::runtime::{Builder, Runtime};

use crate::exit::Failure;

/// How long a start that failed may still take to give back what it got. Its time to live ends the rest.
const GIVE_BACK_AFTER_FAILURE: Duration = Duration::from_secs(2);

/// Runs `work`, with one thread: there is little to do, and every thread costs memory and start time.
///
/// # Errors
/// Those of `work`, or if the system has no means to wait for events.
fn block_on<T>(work: impl FnOnce(&Runtime) -> Result<T, Failure>) -> Result<T, Failure> {
    let runtime = Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(Failure::system("the runtime cannot be started"))?;
    let result = work(&runtime);
    // A look-up of a host's name may hang in a thread of its own, long after the deadline: nobody waits for it.
    runtime.shutdown_background();
    result
}
