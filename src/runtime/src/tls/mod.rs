//! The certificate a server shows, always the newest good one.
//!
//! ```text
//!  TlsSource ──open──▶ ServerTls (readers: one configuration per handshake)
//!                          ▲ watch: the whole configuration, swapped at once
//!                      TlsReloader (one task: watches files, or renews the leaf of an authority)
//! ```
//!
//! Invariants: certificate and key change together and were checked to belong together; what is broken is
//! never served, the last good stays; a connection keeps the configuration it began with. TLS 1.2 and 1.3,
//! ALPN `h2` and `http/1.1`, no client certificate is asked for.

mod authority;
mod own_ca;
mod pair;
mod reload;

use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use esi_core::{Classify, Clock, Code, Retry, Timestamp};
use rustls::ServerConfig;
use thiserror::Error;
use tokio::sync::watch;

use crate::Metrics;
pub use authority::{Authority, AuthorityError};
use pair::{Files, Served};
pub use reload::TlsReloader;

/// Where the certificate comes from.
#[derive(Debug, Clone)]
pub enum TlsSource {
    /// Files that somebody else renews (a mounted Secret, an agent).
    Files {
        /// The chain, leaf first, in PEM.
        certificate: PathBuf,
        /// The leaf's key, in PEM.
        key: PathBuf,
    },
    /// A certificate authority of our own, kept in a directory. Its certificate is written beside its key,
    /// as `ca.pem`, for clients.
    OwnCa {
        /// Created (0700) if absent. Several processes may share it.
        directory: PathBuf,
        /// DNS names and IP addresses of this server, at least one.
        names: Vec<String>,
    },
    /// A certificate authority that somebody else keeps and replaces (in a Secret, say).
    Authority {
        /// The one to mint with, now and whenever it changes.
        authority: watch::Receiver<Arc<Authority>>,
        /// DNS names and IP addresses of this server, at least one.
        names: Vec<String>,
    },
}

/// Why there is no certificate to serve.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TlsError {
    /// A file could not be read.
    #[error("the server's {what} cannot be read; check that the file exists and that this user may read it")]
    Unreadable {
        /// Which one.
        what: &'static str,
        /// The file, and why.
        #[source]
        source: FileError,
    },
    /// A file has no PEM section of the kind expected.
    #[error("the server's {what} is not PEM, or holds no {what}")]
    NotPem {
        /// Which one.
        what: &'static str,
        /// What the parser says; it quotes nothing of the content.
        #[source]
        source: rustls::pki_types::pem::Error,
    },
    /// The certificate and the key do not belong together, or cannot be used.
    #[error("the server's certificate and key cannot be used together; install both from the same issue")]
    Unusable(#[source] rustls::Error),
    /// The certificate is not X.509.
    #[error("the server's certificate cannot be parsed; install a valid one")]
    NotX509,
    /// The CA of this server is damaged, or half of it is missing.
    #[error(
        "this server's own CA is damaged; restore `{}` in its data directory from a backup, or remove it and \
         `{}` to begin a new CA, which every client must then be given",
        own_ca::KEY_FILE,
        own_ca::CERTIFICATE_FILE
    )]
    DamagedCa(#[source] FileError),
    /// The CA of this server has expired.
    #[error(
        "this server's own CA has expired; remove `{}` and `{}` in its data directory to begin a new one, \
         which every client must then be given",
        own_ca::KEY_FILE,
        own_ca::CERTIFICATE_FILE
    )]
    ExpiredCa,
    /// The data directory cannot be written.
    #[error("this server's own CA cannot be stored; its data directory must be writable by this user")]
    Storage(#[source] FileError),
    /// No name, or one that is neither a DNS name nor an IP address.
    #[error("a server with its own CA needs its names: DNS names without wildcards, or IP addresses")]
    Names,
    /// A certificate authority cannot be used.
    #[error("the certificate authority cannot be used")]
    Authority(#[source] AuthorityError),
    /// A certificate could not be made.
    #[error("a certificate could not be created")]
    Mint(#[source] rcgen::Error),
}

/// What went wrong, with the file it went wrong with: for the log, not for callers.
#[derive(Debug, Error)]
#[error("{}", path.display())]
pub struct FileError {
    /// The file.
    pub path: PathBuf,
    /// What happened.
    #[source]
    pub source: io::Error,
}

impl FileError {
    fn at(path: &Path) -> impl FnOnce(io::Error) -> Self + use<> {
        let path = path.to_owned();
        move |source| Self { path, source }
    }
}

impl Classify for TlsError {
    fn code(&self) -> Code {
        match self {
            Self::Names => Code::InvalidArgument,
            Self::Mint(_) | Self::Authority(_) => Code::Internal,
            Self::Unreadable { .. }
            | Self::NotPem { .. }
            | Self::Unusable(_)
            | Self::NotX509
            | Self::DamagedCa(_)
            | Self::ExpiredCa
            | Self::Storage(_) => Code::FailedPrecondition,
        }
    }

    fn retry(&self) -> Retry {
        Retry::Never
    }

    fn kind(&self) -> &'static str {
        match self {
            Self::Unreadable { .. } => "tls_unreadable",
            Self::NotPem { .. } => "tls_not_pem",
            Self::Unusable(_) => "tls_unusable",
            Self::NotX509 => "tls_not_x509",
            Self::DamagedCa(_) => "ca_damaged",
            Self::ExpiredCa => "ca_expired",
            Self::Storage(_) => "ca_storage",
            Self::Names => "tls_names",
            Self::Authority(_) => "ca_unusable",
            Self::Mint(_) => "tls_mint",
        }
    }
}

/// What readers see.
#[derive(Debug)]
struct State {
    served: Served,
    /// Reloads that kept the last good pair, since the start.
    failures: u64,
}

/// How this server does TLS now. Clones see the same.
#[derive(Debug, Clone)]
pub struct ServerTls {
    state: watch::Receiver<State>,
    ca_pem: Option<Arc<str>>,
}

impl ServerTls {
    /// Loads the first certificate. What comes later is the work of the reloader, which must be run: without
    /// it a certificate is served until it expires. Reads files, and may create some.
    ///
    /// # Errors
    /// If there is no usable certificate now, or the CA is damaged, has expired or cannot be stored.
    pub fn open(
        source: TlsSource,
        clock: Arc<dyn Clock>,
        metrics: &Metrics,
    ) -> Result<(Self, TlsReloader), TlsError> {
        let (origin, served, ca_pem) = match source {
            TlsSource::Files { certificate, key } => {
                let mut files = Files::new(certificate, key);
                let served = files.first()?;
                (reload::Origin::Files(files), served, None)
            }
            TlsSource::OwnCa { directory, names } => {
                let ca = Arc::new(own_ca::open(&directory, &names, clock.now())?);
                let pem = Arc::from(ca.certificate_pem());
                let (_never_replaced, authority) = watch::channel(ca);
                let (origin, served) = Self::minted(authority, names, clock.now())?;
                (origin, served, Some(pem))
            }
            TlsSource::Authority { authority, names } => {
                authority::check_names(&names)?;
                let (origin, served) = Self::minted(authority, names, clock.now())?;
                (origin, served, None)
            }
        };
        let (sender, state) = watch::channel(State { served, failures: 0 });
        let reloader = TlsReloader::new(sender, origin, clock, metrics.clone());
        Ok((Self { state, ca_pem }, reloader))
    }

    fn minted(
        mut authority: watch::Receiver<Arc<Authority>>,
        names: Vec<String>,
        now: Timestamp,
    ) -> Result<(reload::Origin, Served), TlsError> {
        // Seen from here on: a later one is a change.
        let first = Arc::clone(&authority.borrow_and_update());
        let served = first.mint(&names, now)?;
        Ok((reload::Origin::Authority(authority, names), served))
    }

    /// The configuration for the next handshake.
    #[must_use]
    pub fn current(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.state.borrow().served.config)
    }

    /// What clients must trust, if this server has a CA of its own in a directory.
    #[must_use]
    pub fn ca_pem(&self) -> Option<String> {
        self.ca_pem.as_deref().map(ToOwned::to_owned)
    }

    /// When the certificate being served expires.
    #[must_use]
    pub fn not_after(&self) -> Timestamp {
        self.state.borrow().served.not_after
    }
}

/// Whether `name` may stand in a certificate of our own.
fn is_server_name(name: &str) -> bool {
    name.parse::<IpAddr>().is_ok() || rustls::pki_types::DnsName::try_from(name).is_ok()
}

#[cfg(test)]
mod tests;
