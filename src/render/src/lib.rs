//! A credential and its outputs to bytes.
//!
//! ```text
//!  Plan.files ──┐                       ┌─▶ RenderedFile { path, mode, content }
//!               ├─▶ format · key · template
//!  Plan.env  ───┘      ▲                └─▶ Variable { name, value } ──env_file──▶ `<binding>.env`
//!                  Credential                                       └─environ───▶ `.environ`
//! ```
//!
//! Pure: nothing is read or written. Invariants: a value either reads back byte for byte through the parser of
//! whoever consumes the output, or is refused with the place, the key and what to use instead; no value is in
//! any error; one binding renders to at most [`MAX_RENDERED_BYTES`].
//!
//! Buffers are zeroised when they grow and when they drop. What cannot be: the copies that the template
//! engine makes of the values a *template* uses, and its intermediate strings. They are freed, not wiped, so a
//! program that renders templates relies on its own protection against core dumps and swapping.

mod buffer;
mod error;
mod format;
mod names;
mod output;
mod stack;
mod template;

pub use error::{Fault, RenderError, Target, TemplateProblem, Trouble};
pub use format::{EnvironError, env_file, environ, read_environ};
pub use output::{check, render};

use esi_core::SecretBytes;
use esi_core::plan::{EnvName, FileMode, RelativePath};

/// Most bytes that all outputs of one binding may have together: four times what a credential may hold, room
/// for escapes and for several forms of the same value, and little enough for a daemon that serves a whole node.
pub const MAX_RENDERED_BYTES: usize = 4 * 1024 * 1024;

/// All outputs of one binding.
#[derive(Debug, Default)]
pub struct Rendered {
    /// The files, in the plan's order.
    pub files: Vec<RenderedFile>,
    /// The variables, in the plan's order, then those of all other keys in the order of their names. No name is
    /// there twice.
    pub variables: Vec<Variable>,
}

/// One file, ready to be written.
#[derive(Debug)]
pub struct RenderedFile {
    /// Where, below the volume.
    pub path: RelativePath,
    /// Its permissions.
    pub mode: FileMode,
    /// Its bytes.
    pub content: SecretBytes,
}

/// One environment variable: any bytes but NUL, short enough for a process to be started with.
#[derive(Debug)]
pub struct Variable {
    /// Its name.
    pub name: EnvName,
    /// Its value.
    pub value: SecretBytes,
}
