//! `exec`: fetch, then become the command.

use std::os::unix::process::CommandExt as _;

use super::{GIVE_BACK_AFTER_FAILURE, block_on};
use crate::command::CommandLine;
use crate::config::Config;
use crate::deliver::Delivery;
use crate::exit::Failure;
use crate::harden::CoreLimit;
use crate::session::{Held, Session};

/// Does not return if it succeeds: this process is then the command, with the same pid, parent, terminal and
/// open files but our own, which are all closed on `execve`.
///
/// # Errors
/// If not every plan is fulfilled, or the command cannot be started; then what was fetched is given back.
pub(crate) fn exec(config: Config, command: &CommandLine, core_limit: &CoreLimit) -> Result<u8, Failure> {
    let delivery = Delivery::new(config.volumes.clone(), None);
    block_on(|runtime| {
        let session = runtime.block_on(async { Session::new(config) })?;
        let failure = match runtime.block_on(session.start(&delivery)) {
            Err(failure) => failure,
            Ok(held) => become_command(command, &held, core_limit),
        };
        runtime.block_on(session.give_back(GIVE_BACK_AFTER_FAILURE));
        Err(failure)
    })
}

/// Returns only if that failed.
fn become_command(command: &CommandLine, held: &[Held], core_limit: &CoreLimit) -> Failure {
    let mut prepared = command.prepare(held.iter().flat_map(|held| &held.variables));
    match core_limit.restore() {
        Err(error) => Failure::system("the command cannot get its limit on core dumps back")(error),
        Ok(()) => command.failed(prepared.exec()).into(),
    }
}
