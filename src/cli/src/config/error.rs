//! Why a configuration is refused.

use std::fmt::Display;

use thiserror::Error;

/// A problem and its place.
#[derive(Debug, Error)]
#[error("{place}: {problem}")]
pub(crate) struct ConfigError {
    place: String,
    problem: String,
}

impl ConfigError {
    /// `problem` at `place`: a flag, a variable or a file, and where in it.
    pub(crate) fn new(place: impl Into<String>, problem: impl Display) -> Self {
        Self {
            place: place.into(),
            problem: problem.to_string(),
        }
    }
}
