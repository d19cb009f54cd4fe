//! The files of variables that `init` left, for a command that is started with them.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use esi_core::SecretBytes;
use esi_render::{EnvironError, Variable, read_environ};
use rustix::fs::{Mode, OFlags, open};
use thiserror::Error;

/// Most bytes of all files together: three quarters of `_STK_LIM`, the most that Linux starts a process with, whatever
/// the limit on its stack (`bprm_stack_limits`).
const MAX_BYTES: u64 = 6 * 1024 * 1024;

/// Why there are no variables to start a command with.
#[derive(Debug, Error)]
pub(crate) enum EnvironFileError {
    #[error("{path} cannot be read: {advice}")]
    Read {
        path: String,
        advice: &'static str,
        #[source]
        source: io::Error,
    },
    #[error("{path} is no regular file: name the file `.environ` of a binding's volume")]
    NotRegular { path: String },
    #[error(
        "{path} and those before it have more than {MAX_BYTES} bytes, with which no process can be started: deliver \
         large values as files"
    )]
    TooLarge { path: String },
    #[error("{path} is not what `esi-cli init` writes: start the pod anew")]
    Malformed {
        path: String,
        #[source]
        source: EnvironError,
    },
}

/// The variables of all files, in order.
///
/// # Errors
/// The first file that cannot be read, or is none of its kind.
pub(crate) fn read(paths: &[PathBuf]) -> Result<Vec<Variable>, EnvironFileError> {
    let mut room = MAX_BYTES;
    let mut variables = Vec::new();
    for path in paths {
        let shown = || path.display().to_string();
        let content = read_one(path, room)?;
        let bytes = u64::try_from(content.len()).unwrap_or(u64::MAX);
        room = room
            .checked_sub(bytes)
            .ok_or_else(|| EnvironFileError::TooLarge { path: shown() })?;
        let more = read_environ(content.expose()).map_err(|source| EnvironFileError::Malformed {
            path: shown(),
            source,
        })?;
        variables.extend(more);
    }
    Ok(variables)
}

/// One byte more than `room` at most.
fn read_one(path: &Path, room: u64) -> Result<SecretBytes, EnvironFileError> {
    let failed = |source: io::Error| EnvironFileError::Read {
        path: path.display().to_string(),
        advice: advice(source.kind()),
        source,
    };
    // A named pipe would be waited for.
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let file = File::from(open(path, flags, Mode::empty()).map_err(|errno| failed(errno.into()))?);
    if !file.metadata().map_err(failed)?.is_file() {
        return Err(EnvironFileError::NotRegular {
            path: path.display().to_string(),
        });
    }
    let mut content = Vec::new();
    file.take(room.saturating_add(1))
        .read_to_end(&mut content)
        .map_err(failed)?;
    Ok(SecretBytes::new(content))
}

fn advice(kind: io::ErrorKind) -> &'static str {
    match kind {
        io::ErrorKind::NotFound => {
            "mount the binding's volume in this container, and let `esi-cli init` write it before, with \
             `envMethod: exec` in its plan"
        }
        io::ErrorKind::PermissionDenied => {
            "run this container as the user of the one that ran `esi-cli init`, give the pod an `fsGroup`, or state \
             `envMode` in the plan"
        }
        _ => "name the file `.environ` of a binding's volume",
    }
}
