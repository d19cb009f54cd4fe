//! A certificate chain and its key: read together, checked together, served together.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use esi_core::{SecretBytes, Timestamp};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::{FileError, TlsError};
use crate::{crypto, files};

/// A configuration with the expiry of its certificate.
#[derive(Debug, Clone)]
pub(super) struct Served {
    pub(super) config: Arc<ServerConfig>,
    pub(super) not_after: Timestamp,
}

impl Served {
    /// Checks that chain and key belong together.
    pub(super) fn new(
        chain: Vec<CertificateDer<'static>>,
        key: PrivateKeyDer<'static>,
    ) -> Result<Self, TlsError> {
        let not_after = chain.first().ok_or(TlsError::NotX509).and_then(not_after)?;
        let mut config = ServerConfig::builder_with_provider(crypto::provider())
            .with_safe_default_protocol_versions()
            .map_err(TlsError::Unusable)?
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .map_err(TlsError::Unusable)?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Self {
            config: Arc::new(config),
            not_after,
        })
    }
}

/// When a certificate expires.
pub(super) fn not_after(certificate: &CertificateDer<'_>) -> Result<Timestamp, TlsError> {
    let (_rest, parsed) =
        x509_parser::parse_x509_certificate(certificate).map_err(|_syntax| TlsError::NotX509)?;
    Ok(Timestamp::from_secs(parsed.validity().not_after.timestamp()))
}

/// Two files that somebody else writes, and what they held when last looked at.
pub(super) struct Files {
    certificate: PathBuf,
    key: PathBuf,
    seen: Option<Content>,
}

/// The bytes, compared to notice a change. Nothing is done with a content seen before, good or bad.
#[derive(PartialEq)]
struct Content {
    certificate: Vec<u8>,
    key: SecretBytes,
}

impl fmt::Debug for Files {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Files")
            .field("certificate", &self.certificate)
            .field("key", &self.key)
            .finish()
    }
}

impl Files {
    pub(super) fn new(certificate: PathBuf, key: PathBuf) -> Self {
        Self {
            certificate,
            key,
            seen: None,
        }
    }

    /// The files.
    pub(super) fn paths(&self) -> [&Path; 2] {
        [&self.certificate, &self.key]
    }

    /// Reads and checks the files at the start.
    pub(super) fn first(&mut self) -> Result<Served, TlsError> {
        let content = self.read()?;
        let served = content.check();
        self.seen = Some(content);
        served
    }

    /// The new pair, or nothing if the files are as they were.
    pub(super) fn changed(&mut self) -> Result<Option<Served>, TlsError> {
        let content = self.read()?;
        if self.seen.as_ref() == Some(&content) {
            return Ok(None);
        }
        let served = content.check();
        self.seen = Some(content);
        served.map(Some)
    }

    fn read(&self) -> Result<Content, TlsError> {
        let read = |what, path: &Path| {
            files::read(path)
                .map_err(FileError::at(path))
                .map_err(|source| TlsError::Unreadable { what, source })
        };
        Ok(Content {
            certificate: read("certificate", &self.certificate)?,
            key: SecretBytes::new(read("key", &self.key)?),
        })
    }
}

impl Content {
    fn check(&self) -> Result<Served, TlsError> {
        let not_pem = |what| move |source| TlsError::NotPem { what, source };
        let chain = CertificateDer::pem_slice_iter(&self.certificate)
            .collect::<Result<Vec<_>, _>>()
            .map_err(not_pem("certificate"))?;
        if chain.is_empty() {
            return Err(not_pem("certificate")(
                rustls::pki_types::pem::Error::NoItemsFound,
            ));
        }
        let key = PrivateKeyDer::from_pem_slice(self.key.expose()).map_err(not_pem("key"))?;
        Served::new(chain, key)
    }
}
