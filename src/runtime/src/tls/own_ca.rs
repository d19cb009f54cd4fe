//! A certificate authority of our own, kept in a directory: one file is its truth.
//!
//! `ca-key.pem` (0600) holds the CA's key *and* certificate, so that they cannot disagree; of processes that
//! start together the first to give it its name wins and the others use that one. `ca.pem` is the
//! certificate alone, derived from it at each start, for clients.

use std::path::Path;
use std::time::Duration;

use esi_core::{SecretBytes, Timestamp};

use super::authority::{Authority, check_names};
use super::{FileError, TlsError};
use crate::files;

pub(super) const KEY_FILE: &str = "ca-key.pem";
pub(super) const CERTIFICATE_FILE: &str = "ca.pem";

/// Clients are given the CA by hand or by installation: it outlives any of those.
const CA_LIFE: Duration = Duration::from_secs(3650 * 24 * 60 * 60);

/// Opens the CA in `directory` for a server of these names, and begins it there if there is none.
pub(super) fn open(directory: &Path, names: &[String], now: Timestamp) -> Result<Authority, TlsError> {
    check_names(names)?;
    files::private_directory(directory)
        .map_err(FileError::at(directory))
        .map_err(TlsError::Storage)?;
    let (path, public) = (directory.join(KEY_FILE), directory.join(CERTIFICATE_FILE));
    // Looked at before the key: it is written after it, so whoever sees it must also find the key.
    let begun = public
        .try_exists()
        .map_err(FileError::at(&public))
        .map_err(TlsError::Storage)?;
    if !begun {
        let new = Authority::generate(now, CA_LIFE)?;
        files::create(&path, new.pem().expose(), 0o600)
            .map_err(FileError::at(&path))
            .map_err(TlsError::Storage)?;
    }
    let damaged = |source| {
        TlsError::DamagedCa(FileError {
            path: path.clone(),
            source,
        })
    };
    let content = SecretBytes::new(files::read(&path).map_err(damaged)?);
    let ca = Authority::parse(content).map_err(|problem| damaged(std::io::Error::other(problem)))?;
    if ca.not_after() <= now {
        return Err(TlsError::ExpiredCa);
    }
    if files::read(&public).ok().as_deref() != Some(ca.certificate_pem().as_bytes()) {
        files::replace(&public, ca.certificate_pem().as_bytes(), 0o644)
            .map_err(FileError::at(&public))
            .map_err(TlsError::Storage)?;
    }
    Ok(ca)
}
