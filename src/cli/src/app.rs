//! From the process's arguments and environment to its exit code.

use std::io::{self, Write as _};

use esi_core::chain;

use crate::args::{Invocation, Typed, UsageError, Verb, help, parse};
use crate::command::CommandLine;
use crate::commands::{exec, exec_from, init, render, run};
use crate::config::{Config, Environment, Settings, environ_files};
use crate::exit::{Exit, Failure};
use crate::harden::{CoreLimit, harden};
use crate::log;

/// Does what the arguments say.
pub(crate) fn main() -> u8 {
    match harden()
        .map_err(Failure::system("this process cannot be kept out of core dumps"))
        .and_then(|core_limit| dispatch(&core_limit))
    {
        Ok(code) => code,
        Err(failure) => {
            log::say(chain(&failure));
            failure.exit().code()
        }
    }
}

fn dispatch(core_limit: &CoreLimit) -> Result<u8, Failure> {
    let typed = match parse(std::env::args_os().skip(1))? {
        Invocation::Help(verb) => return print(help(verb).as_bytes()),
        Invocation::Version => return print(concat!("esi-cli ", env!("CARGO_PKG_VERSION"), "\n").as_bytes()),
        Invocation::Do(typed) => typed,
    };
    let environment: Environment = std::env::vars_os().collect();
    let settings = Settings::new(&typed, &environment)?;
    match typed.verb {
        Verb::Render => render(&settings),
        Verb::Init => init(Config::read(&settings)?),
        Verb::Exec => {
            let files = environ_files(&settings)?;
            if !files.is_empty() {
                let command = CommandLine::new(typed.command).ok_or(UsageError::NoCommand)?;
                return exec_from(&files, &command, core_limit);
            }
            let config = Config::read(&settings)?;
            exec(config, &command(typed, &environment)?, core_limit)
        }
        Verb::Run => {
            let config = Config::read(&settings)?;
            run(config, &command(typed, &environment)?, core_limit)
        }
    }
}

fn command(typed: Typed, environment: &Environment) -> Result<CommandLine, Failure> {
    let command = CommandLine::new(typed.command).ok_or(UsageError::NoCommand)?;
    command.check(environment)?;
    Ok(command)
}

/// Writes to standard output. A reader that went away (`| head`) has got what it wanted.
pub(crate) fn print(text: &[u8]) -> Result<u8, Failure> {
    match io::stdout().lock().write_all(text) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Failure::system("standard output cannot be written")(error))
        }
        Ok(()) | Err(_) => Ok(Exit::Done.code()),
    }
}
