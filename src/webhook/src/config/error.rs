//! Why a configuration is not taken.

use std::io;

use esi_core::{Classify, Code, Retry};
use thiserror::Error;

/// Why a configuration is not taken.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("the configuration file cannot be read; check --config, and that this user may read it")]
    Unreadable(#[source] io::Error),
    /// The file is no text.
    #[error("the configuration file is not UTF-8")]
    NotText,
    /// The file is no YAML, or has other fields than it should.
    #[error("the configuration file{place}: {problem}")]
    Syntax {
        /// Line and column, where known.
        place: String,
        /// What is wrong there.
        problem: String,
    },
    /// A value is not what it should be.
    #[error("the configuration file, line {line}: {field}: {problem}")]
    Value {
        /// Counted from 1.
        line: u64,
        /// Its way from the top, such as `servers.default.url`.
        field: String,
        /// What is wrong, and what to write.
        problem: String,
    },
}

impl ConfigError {
    pub(super) fn syntax(place: Option<(u64, u64)>, problem: String) -> Self {
        let place = place
            .filter(|(line, _)| *line > 0)
            .map(|(line, column)| format!(", line {line}, column {column}"))
            .unwrap_or_default();
        Self::Syntax { place, problem }
    }
}

impl Classify for ConfigError {
    fn code(&self) -> Code {
        match self {
            Self::Unreadable(_) => Code::FailedPrecondition,
            Self::NotText | Self::Syntax { .. } | Self::Value { .. } => Code::InvalidArgument,
        }
    }

    fn retry(&self) -> Retry {
        Retry::Never
    }

    fn kind(&self) -> &'static str {
        match self {
            Self::Unreadable(_) => "config_unreadable",
            Self::NotText => "config_not_text",
            Self::Syntax { .. } => "config_syntax",
            Self::Value { .. } => "config_value",
        }
    }
}
