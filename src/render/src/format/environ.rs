//! The variables of a process as a file, out of which `esi-cli exec` starts a command.
//!
//! ```text
//!  file   = *record
//!  record = name "=" value NUL
//!  name   = an EnvName, so without "=" and NUL
//!  value  = any bytes but NUL
//! ```
//!
//! It is how Linux shows a process's environment (`/proc/<pid>/environ`): what a process can be started with, it
//! holds byte for byte, so nothing is quoted; and a file that was cut off does not end with NUL.

use esi_core::plan::EnvName;
use esi_core::{Classify, Code, Retry, SecretBytes};
use thiserror::Error;

use crate::buffer::Buffer;
use crate::error::{Fault, RenderError, Target, Trouble};
use crate::{MAX_RENDERED_BYTES, Variable};

/// The file of the variables of a binding. Without variables it is empty.
///
/// # Errors
/// A variable whose value has a NUL byte, or more than [`MAX_RENDERED_BYTES`] in all.
pub fn environ(variables: &[Variable]) -> Result<SecretBytes, RenderError> {
    let mut out = Buffer::new(MAX_RENDERED_BYTES);
    for variable in variables {
        push(&mut out, variable)
            .map_err(|fault| RenderError::new(format!("env `{}`", variable.name), fault))?;
    }
    Ok(out.into_secret())
}

fn push(out: &mut Buffer, Variable { name, value }: &Variable) -> Result<(), Fault> {
    if value.expose().contains(&0) {
        return Err(Fault::Unrepresentable {
            key: None,
            trouble: Trouble::Nul,
            target: Target::ProcessVariable,
        });
    }
    for part in [name.as_str().as_bytes(), b"=", value.expose(), b"\0"] {
        out.push(part)?;
    }
    Ok(())
}

/// Why bytes are no file of variables. Never a value.
#[derive(Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum EnvironError {
    /// The last record has no end.
    #[error("it is cut off: its last record does not end with a NUL byte")]
    CutOff,
    /// A record is no `NAME=value`.
    #[error("record {record} is no NAME=value")]
    Record {
        /// Which one, counted from 1.
        record: usize,
    },
}

impl Classify for EnvironError {
    fn code(&self) -> Code {
        Code::FailedPrecondition
    }

    fn retry(&self) -> Retry {
        Retry::Never
    }

    fn kind(&self) -> &'static str {
        match self {
            Self::CutOff => "environ_cut_off",
            Self::Record { .. } => "environ_record",
        }
    }
}

/// The variables in such a file, in its order. How large a file may be is its reader's to say.
///
/// # Errors
/// The first record that is none.
pub fn read_environ(file: &[u8]) -> Result<Vec<Variable>, EnvironError> {
    if file.is_empty() {
        return Ok(Vec::new());
    }
    let records = file.strip_suffix(b"\0").ok_or(EnvironError::CutOff)?;
    records
        .split(|&byte| byte == 0)
        .zip(1..)
        .map(|(bytes, record)| variable(bytes).ok_or(EnvironError::Record { record }))
        .collect()
}

fn variable(record: &[u8]) -> Option<Variable> {
    let (name, value) = record.split_at_checked(record.iter().position(|&byte| byte == b'=')?)?;
    let name: EnvName = std::str::from_utf8(name).ok()?.parse().ok()?;
    Some(Variable {
        name,
        value: SecretBytes::new(value.strip_prefix(b"=")?.to_vec()),
    })
}
