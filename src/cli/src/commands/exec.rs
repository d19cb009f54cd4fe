//! `exec`: become the command, with values that are fetched first, or that `init` left in files.

use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::Command;

use super::{GIVE_BACK_AFTER_FAILURE, block_on};
use crate::command::CommandLine;
use crate::config::Config;
use crate::deliver::Delivery;
use crate::environ;
use crate::exit::Failure;
use crate::harden::CoreLimit;
use crate::session::Session;

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
            Ok(held) => {
                let prepared = command.prepare(held.iter().flat_map(|held| &held.variables));
                become_command(command, prepared, core_limit)
            }
        };
        runtime.block_on(session.give_back(GIVE_BACK_AFTER_FAILURE));
        Err(failure)
    })
}

/// The same out of files, without a network or a token: a container that is started again gets the same values,
/// and nothing is minted for it.
///
/// # Errors
/// If a file cannot be read, or the command cannot be started.
pub(crate) fn exec_from(
    files: &[PathBuf],
    command: &CommandLine,
    core_limit: &CoreLimit,
) -> Result<u8, Failure> {
    let variables = environ::read(files)?;
    Err(become_command(
        command,
        command.add_variables(&variables),
        core_limit,
    ))
}

/// Returns only if that failed.
fn become_command(command: &CommandLine, mut prepared: Command, core_limit: &CoreLimit) -> Failure {
    match core_limit.restore() {
        Err(error) => Failure::system("the command cannot get its limit on core dumps back")(error),
        Ok(()) => command.failed(prepared.exec()).into(),
    }
}
