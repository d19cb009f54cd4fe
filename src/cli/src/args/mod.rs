//! What was typed, unjudged: flags, and the command after them.
//!
//! ```text
//!  argv ──parse──▶ Invocation { help | version | verb + flags + command }
//! ```
//!
//! [`Flag`] is the one table of flags: parsing, `--help`, the environment variables that stand for flags and
//! the list of variables hidden from the command all come from it.

mod flag;
mod help;
mod parse;

pub(crate) use flag::{Flag, Verb};
pub(crate) use help::help;
pub(crate) use parse::{Invocation, Typed, UsageError, parse};
