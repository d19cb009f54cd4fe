//! The command that gets the credentials: looked up before anything is fetched for it, then started as typed.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use esi_render::Variable;
use rustix::fs::{Access, access};
use thiserror::Error;

use crate::args::Flag;
use crate::config::Environment;
use crate::exit::Exit;

/// Where a program is looked for when there is no `PATH`: what glibc's `execvp` does.
const DEFAULT_PATH: &str = "/bin:/usr/bin";

/// Why a command is not started.
#[derive(Debug, Error)]
pub(crate) enum CommandError {
    #[error("`{program}` is not found")]
    NotFound { program: String },
    #[error("`{program}` cannot be run")]
    CannotRun {
        program: String,
        #[source]
        source: io::Error,
    },
}

impl CommandError {
    pub(crate) fn exit(&self) -> Exit {
        match self {
            Self::NotFound { .. } => Exit::NotFound,
            Self::CannotRun { .. } => Exit::CannotRun,
        }
    }
}

/// A program and its arguments, byte for byte as typed.
#[derive(Debug)]
pub(crate) struct CommandLine {
    program: OsString,
    arguments: Vec<OsString>,
}

impl CommandLine {
    /// Takes the typed words apart; `None` if there are none.
    pub(crate) fn new(words: Vec<OsString>) -> Option<Self> {
        let mut words = words.into_iter();
        Some(Self {
            program: words.next()?,
            arguments: words.collect(),
        })
    }

    /// Finds out, before a credential is minted for it, whether the command could be started.
    ///
    /// # Errors
    /// If no file of that name is where it is looked for, or none of them may be executed.
    pub(crate) fn check(&self, environment: &Environment) -> Result<(), CommandError> {
        let mut refused = None;
        for candidate in self.candidates(environment) {
            match access(&candidate, Access::EXEC_OK) {
                Ok(()) if !candidate.is_dir() => return Ok(()),
                Ok(()) => refused = Some(io::Error::from(io::ErrorKind::IsADirectory)),
                Err(error) if candidate.exists() => refused = Some(error.into()),
                Err(_absent) => {}
            }
        }
        let program = self.program.to_string_lossy().into_owned();
        Err(match refused {
            Some(source) => CommandError::CannotRun { program, source },
            None => CommandError::NotFound { program },
        })
    }

    /// The command with its environment: this process's own without what was meant for `esi-cli`, and the
    /// credentials' variables.
    pub(crate) fn prepare<'a>(&self, variables: impl IntoIterator<Item = &'a Variable>) -> Command {
        let mut command = self.with_arguments();
        for variable in Flag::ALL.iter().filter_map(|flag| flag.spec().variable) {
            command.env_remove(variable);
        }
        set(&mut command, variables);
        command
    }

    /// The command with the whole of this process's environment, and `variables` over it: where nothing in it was
    /// meant for `esi-cli`.
    pub(crate) fn add_variables<'a>(&self, variables: impl IntoIterator<Item = &'a Variable>) -> Command {
        let mut command = self.with_arguments();
        set(&mut command, variables);
        command
    }

    fn with_arguments(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.args(&self.arguments);
        command
    }

    /// Why starting it failed.
    pub(crate) fn failed(&self, source: io::Error) -> CommandError {
        let program = self.program.to_string_lossy().into_owned();
        match source.kind() {
            io::ErrorKind::NotFound => CommandError::NotFound { program },
            _ => CommandError::CannotRun { program, source },
        }
    }

    fn candidates(&self, environment: &Environment) -> Vec<PathBuf> {
        if self.program.as_bytes().contains(&b'/') {
            return vec![PathBuf::from(&self.program)];
        }
        if self.program.is_empty() {
            return Vec::new();
        }
        let path = environment
            .get(OsStr::new("PATH"))
            .map_or(OsStr::new(DEFAULT_PATH), OsString::as_os_str);
        std::env::split_paths(path)
            .map(|directory| match directory.as_os_str().is_empty() {
                // An empty entry means the working directory.
                true => Path::new(".").join(&self.program),
                false => directory.join(&self.program),
            })
            .collect()
    }
}

/// Of several with one name the last one counts.
fn set<'a>(command: &mut Command, variables: impl IntoIterator<Item = &'a Variable>) {
    for variable in variables {
        command.env(variable.name.as_str(), OsStr::from_bytes(variable.value.expose()));
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use esi_core::SecretBytes;

    use super::*;

    fn command(words: &[&str]) -> CommandLine {
        CommandLine::new(words.iter().map(OsString::from).collect()).unwrap()
    }

    fn path(path: &Path) -> Environment {
        Environment::from([("PATH".into(), path.into())])
    }

    #[test]
    fn a_program_is_looked_for_along_the_path() {
        let directory = tempfile::tempdir().unwrap();
        let program = directory.path().join("prog");
        let environment = path(directory.path());
        assert_eq!(
            command(&["prog"]).check(&environment).unwrap_err().exit(),
            Exit::NotFound
        );
        std::fs::write(&program, "").unwrap();
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o600)).unwrap();
        assert_eq!(
            command(&["prog"]).check(&environment).unwrap_err().exit(),
            Exit::CannotRun
        );
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o700)).unwrap();
        assert!(command(&["prog"]).check(&environment).is_ok());
        assert!(
            command(&[program.to_str().unwrap()])
                .check(&Environment::new())
                .is_ok()
        );
        assert!(command(&["sh"]).check(&Environment::new()).is_ok());
    }

    #[test]
    fn a_directory_is_no_program() {
        let directory = tempfile::tempdir().unwrap();
        let error = command(&[directory.path().to_str().unwrap()])
            .check(&Environment::new())
            .unwrap_err();
        assert_eq!(error.exit(), Exit::CannotRun);
        assert_eq!(
            command(&[""]).check(&Environment::new()).unwrap_err().exit(),
            Exit::NotFound
        );
    }

    #[test]
    fn the_environment_loses_what_was_meant_for_us_and_gains_the_values() {
        let variable = Variable {
            name: "ESI_PLANS".parse().unwrap(),
            value: SecretBytes::new(vec![0xff]),
        };
        let command = command(&["prog", "a"]).prepare([&variable]);
        let changes: Vec<_> = command.get_envs().collect();
        assert!(changes.contains(&(OsStr::new("ESI_TOKEN_FILE"), None)));
        // A plan's own variable stays, whatever its name.
        assert!(changes.contains(&(OsStr::new("ESI_PLANS"), Some(OsStr::from_bytes(&[0xff])))));
        assert_eq!(command.get_args().collect::<Vec<_>>(), ["a"]);
    }

    #[test]
    fn the_environment_loses_nothing_where_nothing_was_meant_for_us() {
        let command = command(&["prog"]).add_variables(&[]);
        assert_eq!(command.get_envs().count(), 0);
    }
}
