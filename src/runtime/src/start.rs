//! What every server does before anything else.

use thiserror::Error;

use crate::args::LogArgs;
use crate::telemetry::TelemetryError;
use crate::{crypto, memory};

/// Why a process cannot begin.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StartError {
    /// The log could not be set up.
    #[error(transparent)]
    Telemetry(#[from] TelemetryError),
    /// The process's memory could be dumped.
    #[error(transparent)]
    Memory(#[from] memory::NotHidden),
    /// The crypto provider could not be set up.
    #[error(transparent)]
    Crypto(#[from] crypto::AlreadyInstalled),
}

/// Begins to log, hides this process's memory, since keys and credentials will be in it, and settles the one crypto
/// provider.
///
/// # Errors
/// What could not be done.
pub fn start(log: LogArgs) -> Result<(), StartError> {
    log.init()?;
    memory::hide()?;
    crypto::install()?;
    Ok(())
}
