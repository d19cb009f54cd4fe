//! Flags that every server takes.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};
use esi_core::span;

use crate::TlsSource;
use crate::telemetry::{self, Format, TelemetryConfig, TelemetryError};

/// How and what is logged.
#[derive(Debug, Args)]
pub struct LogArgs {
    /// How the log on standard error is written.
    #[arg(long, global = true, env = "ESI_LOG_FORMAT", value_enum, default_value_t = LogFormat::Auto)]
    log_format: LogFormat,
    /// What is logged, such as `info` or `esi_runtime=debug,warn`. Libraries that would log secrets stay silent.
    #[arg(long, global = true, env = "ESI_LOG", default_value = "info")]
    log: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum LogFormat {
    /// Text on a terminal, JSON elsewhere.
    Auto,
    /// One JSON object a line.
    Json,
    /// For people.
    Text,
}

impl LogArgs {
    /// Begins to log.
    ///
    /// # Errors
    /// If the filter is no filter, or somebody logs already.
    pub(crate) fn init(self) -> Result<(), TelemetryError> {
        let Self { log_format, log } = self;
        let format = match log_format {
            LogFormat::Auto => Format::detect(),
            LogFormat::Json => Format::Json,
            LogFormat::Text => Format::Text,
        };
        telemetry::init(&TelemetryConfig { format, filter: log })
    }
}

/// A certificate that somebody else renews.
#[derive(Debug, Args)]
pub struct CertificateArgs {
    /// The server's certificate chain in PEM; reloaded on change. With --tls-key. Without it the server has a certificate
    /// authority of its own.
    #[arg(long, env = "ESI_TLS_CERT", value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// Its private key in PEM.
    #[arg(long, env = "ESI_TLS_KEY", value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
}

impl CertificateArgs {
    /// The files, where there are any.
    #[must_use]
    pub fn source(self) -> Option<TlsSource> {
        let Self { tls_cert, tls_key } = self;
        let (certificate, key) = tls_cert.zip(tls_key)?;
        Some(TlsSource::Files { certificate, key })
    }
}

/// The value of a flag that is a duration, such as `1h30m`.
///
/// # Errors
/// What to write.
pub fn duration(text: &str) -> Result<Duration, String> {
    span::parse(text).map_err(|error| error.to_string())
}
