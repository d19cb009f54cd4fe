//! The four verbs. Each is one straight line; what they share is in `session` and `deliver`.

mod exec;
mod init;
mod render;
mod run;

pub(crate) use exec::exec;
pub(crate) use init::init;
pub(crate) use render::render;
pub(crate) use run::run;

use std::time::Duration;

use tokio::runtime::{Builder, Runtime};

use crate::exit::Failure;

/// How long a start that failed may still take to give back what it got. Its time to live ends the rest.
const GIVE_BACK_AFTER_FAILURE: Duration = Duration::from_secs(2);

/// One thread: there is little to do, and every thread costs memory and start time.
fn runtime() -> Result<Runtime, Failure> {
    Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(Failure::system("the runtime cannot be started"))
}
