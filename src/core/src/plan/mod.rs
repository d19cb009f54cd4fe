//! The plan: one binding in full, and never secret.
//!
//! ```text
//!  JSON text ──parse──▶ Plan { binding, server, source, ttl, env[], files[] } ──to_json──▶ JSON text
//! ```
//!
//! A plan is written by the webhook and read by `esi-cli` and the node daemon, often months later: the writer
//! emits the lowest version that can say it, readers accept every version for ever. Reading is strict (an
//! unknown field is refused with its place) and bounded (see [`limits`]); what was read needs no second check.

pub mod limits;
mod model;
mod path;
mod raw;
mod read;

pub use model::{
    Content, EnvMethod, EnvName, EnvOutput, EnvValue, FileMode, FileOutput, Format, Plan, SecretRef, Source,
};
pub use path::RelativePath;
pub use read::PlanError;

#[cfg(test)]
mod tests;
