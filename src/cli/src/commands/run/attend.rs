//! The loop beside the command: it owns the command, hears the signals and watches the keepers.

use std::io;
use std::os::unix::process::ExitStatusExt as _;
use std::process::ExitStatus;
use std::sync::Arc;

use esi_core::chain;
use esi_render::Variable;
use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child, Command};

use super::keep;
use super::signals::Signals;
use super::terminal;
use crate::command::CommandLine;
use crate::deliver::Delivery;
use crate::exit::{Exit, Failure, of_signal};
use crate::harden::CoreLimit;
use crate::log;
use crate::session::Session;

/// Starts and stays until the command has ended, or a signal ended the start.
///
/// # Errors
/// If not every plan is fulfilled, or the command cannot be started.
pub(super) async fn attend(
    session: &Session,
    delivery: &Arc<Delivery>,
    signals: &mut Signals,
    command: &CommandLine,
    core_limit: &CoreLimit,
) -> Result<u8, Failure> {
    let held = tokio::select! {
        biased;
        signal = signals.ending() => return Ok(of_signal(signal.as_raw())),
        held = session.start(delivery) => held?,
    };
    let variables = held.iter().flat_map(|held| &held.variables);
    let mut child = spawn(command, variables, core_limit)?;
    // Aborted when this returns: nothing is fetched any more while it is given back.
    let mut keepers = keep::spawn(held, delivery);
    loop {
        tokio::select! {
            biased;
            status = child.wait() => {
                return status.map(code).map_err(Failure::system("the command cannot be waited for"));
            }
            signal = signals.next() => forward(&child, signal),
            Some(ended) = keepers.join_next() => {
                let error = ended.err().map(|error| chain(&error)).unwrap_or_default();
                log::say(format_args!("a keeper ended early, its credentials end at their time to live: {error}"));
            }
        }
    }
}

fn spawn<'a>(
    command: &CommandLine,
    variables: impl IntoIterator<Item = &'a Variable>,
    core_limit: &CoreLimit,
) -> Result<Child, Failure> {
    let limit =
        |result: io::Result<()>| result.map_err(Failure::system("the limit on core dumps cannot be changed"));
    let mut prepared = Command::from(command.prepare(variables));
    limit(core_limit.restore())?;
    // Dumping stays off meanwhile: the dumpable flag is not inherited through execve.
    let child = prepared.spawn();
    limit(core_limit.forbid())?;
    Ok(child.map_err(|error| command.failed(error))?)
}

/// Passes a signal on, unless the terminal already gave it to the command too.
fn forward(child: &Child, signal: Signal) {
    if terminal::sends(signal) {
        return;
    }
    // A command that has ended has no id; one that has ended but was not waited for takes no harm.
    let pid = child
        .id()
        .and_then(|id| i32::try_from(id).ok())
        .and_then(Pid::from_raw);
    if let Some(pid) = pid
        && let Err(error) = kill_process(pid, signal)
    {
        log::say(format_args!(
            "signal {} could not be passed on: {error}",
            signal.as_raw()
        ));
    }
}

fn code(status: ExitStatus) -> u8 {
    match (status.code(), status.signal()) {
        (Some(code), _) => u8::try_from(code).unwrap_or(u8::MAX),
        (None, Some(signal)) => of_signal(signal),
        (None, None) => Exit::Internal.code(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_commands_end_becomes_the_exit_code_as_in_a_shell() {
        assert_eq!(code(ExitStatus::from_raw(0)), 0);
        assert_eq!(code(ExitStatus::from_raw(7 << 8)), 7);
        assert_eq!(code(ExitStatus::from_raw(9)), 137);
    }
}
