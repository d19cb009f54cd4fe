//! The one cryptographic provider: aws-lc-rs.
//!
//! Builders of this crate name it explicitly. The process default exists for the libraries that look for
//! one (HTTP clients do, even for plain URLs), so [`install`] is the first line of every `main`.

use std::sync::{Arc, LazyLock};

use esi_core::{Classify, Code, Retry};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use thiserror::Error;

static PROVIDER: LazyLock<Arc<CryptoProvider>> = LazyLock::new(|| Arc::new(aws_lc_rs::default_provider()));

/// The process already had a default provider, so what it uses is not known.
#[derive(Debug, Error)]
#[error("a cryptographic provider is installed already: install this one first, and once")]
pub struct AlreadyInstalled;

impl Classify for AlreadyInstalled {
    fn code(&self) -> Code {
        Code::Internal
    }

    fn retry(&self) -> Retry {
        Retry::Never
    }

    fn kind(&self) -> &'static str {
        "crypto_provider_installed"
    }
}

/// Makes aws-lc-rs the process default.
///
/// # Errors
/// If there is a default already, also if it is this one: somebody else decided.
pub fn install() -> Result<(), AlreadyInstalled> {
    CryptoProvider::install_default(aws_lc_rs::default_provider())
        // The value in the error is the provider that was refused; it says nothing more.
        .map_err(|_refused| AlreadyInstalled)
}

/// The provider, for builders that take one explicitly.
#[must_use]
pub fn provider() -> Arc<CryptoProvider> {
    Arc::clone(&PROVIDER)
}

#[cfg(test)]
mod tests {
    use super::*;

    // The process default is global: one test owns it.
    #[test]
    fn the_provider_is_installed_once_and_a_second_time_is_an_error() {
        install().expect("nothing else in these tests installs one");
        assert!(CryptoProvider::get_default().is_some());
        assert_eq!(install().unwrap_err().kind(), "crypto_provider_installed");
    }
}
