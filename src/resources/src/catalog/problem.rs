//! What is wrong with a manifest, and where.

use std::fmt;
use std::path::PathBuf;

use thiserror::Error;

use crate::shown::shown;

/// One thing that is wrong, for the person who writes the manifests. Never quotes a `Secret`.
///
/// Displays as `file:line: Kind namespace/name: what is wrong and what to write`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// The file (or the directory, where it cannot be read).
    pub file: PathBuf,
    /// The line, from 1, where one is known.
    pub line: Option<u64>,
    /// The object, where it is known: `Kind namespace/name`.
    pub object: Option<String>,
    /// What is wrong and what to write. One line, at most 400 characters.
    pub message: String,
}

impl Problem {
    pub(crate) fn new(
        file: impl Into<PathBuf>,
        line: Option<u64>,
        object: Option<String>,
        message: &str,
    ) -> Self {
        Self {
            file: file.into(),
            line,
            object: object.map(|object| shown(&object)),
            message: shown(message),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file.display())?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        if let Some(object) = &self.object {
            write!(f, ": {object}")?;
        }
        write!(f, ": {}", self.message)
    }
}

/// Why there is no catalog, or no longer one that follows its directory.
///
/// An operator reads it at the start of a server. Unlike the errors that may travel to a pod, it names files, and
/// so is not one of those that classify themselves (`esi_core::Classify`).
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CatalogError {
    /// At the start everything must be right.
    #[error("the catalog has {} problem(s):{}", .problems.len(), list(.problems))]
    Broken {
        /// All of them, in the order of files and lines.
        problems: Vec<Problem>,
    },
    /// The task that reads the directory died.
    #[error("reading the catalog's directory ended unexpectedly")]
    Reader(#[source] tokio::task::JoinError),
}

fn list(problems: &[Problem]) -> String {
    problems.iter().map(|problem| format!("\n  {problem}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_names_file_line_object_and_what_is_wrong() {
        let problem = Problem::new("a.yaml", Some(7), Some("Fake demo/x".to_owned()), "write less");
        assert_eq!(problem.to_string(), "a.yaml:7: Fake demo/x: write less");
    }

    #[test]
    fn hostile_text_is_one_escaped_line_and_cut() {
        let problem = Problem::new("a.yaml", None, Some("a\nb".to_owned()), &"\n".repeat(10_000));
        assert!(!problem.to_string().contains('\n'));
        assert!(problem.message.len() < 1000);
    }
}
