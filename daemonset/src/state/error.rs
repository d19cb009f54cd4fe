//! Why the state cannot be kept.

use std::io;

use thiserror::Error;

/// Why a record is not kept, or not read.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StateError {
    /// The directory of the state cannot be made or read.
    #[error("the state directory cannot be used: it must be a directory that only root may enter")]
    Directory(#[source] io::Error),
    /// Another process has it.
    #[error("another daemon uses the state directory: there can be one on a node")]
    InUse,
    /// The disk has no room for it.
    #[error("the disk of the state directory is full: make room on the node")]
    Full(#[source] io::Error),
    /// It cannot be written, or removed.
    #[error("a record of the state directory cannot be written")]
    Write(#[source] io::Error),
    /// A file cannot be read.
    #[error("a record of the state directory cannot be read")]
    Read(#[source] io::Error),
    /// A file is no record.
    #[error("a file of the state directory is no record")]
    Broken(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// A newer daemon wrote it.
    #[error(
        "a record of the state directory has version {version}, and this daemon knows 1: it was written by a newer one"
    )]
    Newer {
        /// Its version.
        version: u32,
    },
}

impl StateError {
    pub(super) fn write(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::Full(error),
            _ => Self::Write(error),
        }
    }
}
