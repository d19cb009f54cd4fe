//! Logs: structured, to standard error, with a ceiling that configuration cannot lift.
//!
//! Dependencies log what they send: a Vault client its tokens at debug, an HTTP/2 stack its headers at
//! trace, a signer its canonical requests. So a user's filter chooses *below* a fixed ceiling: our own code
//! up to trace, everybody else's up to info, the talkative and the dangerous less.

use std::io::{self, IsTerminal as _};
use std::panic::{self, PanicHookInfo};
use std::str::FromStr;

use esi_core::{Classify, Code, Retry};
use thiserror::Error;
use tracing::Subscriber;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::{EnvFilter, FilterExt as _, Targets};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::{Layer, SubscriberExt as _};
use tracing_subscriber::registry::LookupSpan;

/// Targets that begin so are our own code.
const OURS: [&str; 2] = ["esi_", "kubectl_esi"];

/// The ceiling of everybody else's.
const OTHERS: LevelFilter = LevelFilter::INFO;

/// Dependencies that are noisy, or that are known to log secrets, with their lower ceiling.
const CEILINGS: [(&str, LevelFilter); 12] = [
    // Log whole requests and answers, tokens included.
    ("vaultrs", LevelFilter::OFF),
    ("rustify", LevelFilter::OFF),
    // Log statements, URLs, headers and frames.
    ("sqlx", LevelFilter::WARN),
    ("reqwest", LevelFilter::WARN),
    ("hyper", LevelFilter::WARN),
    ("h2", LevelFilter::WARN),
    ("rustls", LevelFilter::WARN),
    ("tonic", LevelFilter::WARN),
    ("tower", LevelFilter::WARN),
    ("aws_sigv4", LevelFilter::WARN),
    ("aws_credential_types", LevelFilter::WARN),
    ("kube", LevelFilter::WARN),
];

/// How a log line looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// One JSON object per line, for machines.
    Json,
    /// One line of text, for people.
    Text,
}

impl Format {
    /// Text if standard error is a terminal, else JSON.
    #[must_use]
    pub fn detect() -> Self {
        if io::stderr().is_terminal() {
            Self::Text
        } else {
            Self::Json
        }
    }
}

impl FromStr for Format {
    type Err = TelemetryError;

    fn from_str(text: &str) -> Result<Self, TelemetryError> {
        match text {
            "json" => Ok(Self::Json),
            "text" => Ok(Self::Text),
            _ => Err(TelemetryError::Format),
        }
    }
}

/// What to log and how.
#[derive(Debug, Clone)]
pub struct TelemetryConfig {
    /// How a line looks.
    pub format: Format,
    /// Levels per target, as `tracing` filters are written: `info,esi_ledger=debug`. It can lower what is
    /// logged of any target, and raise it up to the ceiling.
    pub filter: String,
}

impl Default for TelemetryConfig {
    fn default() -> Self {
        Self {
            format: Format::detect(),
            filter: "info".to_owned(),
        }
    }
}

/// Why logging could not be set up.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TelemetryError {
    /// The filter does not parse.
    #[error("the log filter is not valid; write it like `info,esi_ledger=debug`")]
    Filter(#[source] tracing_subscriber::filter::ParseError),
    /// The format is none of those known.
    #[error("the log format is not known; it is `json` or `text`")]
    Format,
    /// Something set up logging before.
    #[error("logging is set up already")]
    AlreadySet(#[source] tracing::subscriber::SetGlobalDefaultError),
}

impl Classify for TelemetryError {
    fn code(&self) -> Code {
        match self {
            Self::Filter(_) | Self::Format => Code::InvalidArgument,
            Self::AlreadySet(_) => Code::Internal,
        }
    }

    fn retry(&self) -> Retry {
        Retry::Never
    }

    fn kind(&self) -> &'static str {
        match self {
            Self::Filter(_) => "log_filter",
            Self::Format => "log_format",
            Self::AlreadySet(_) => "logging_set",
        }
    }
}

/// Sends the logs of this process to standard error, panics too: where they happened, and the message only
/// if it is a literal.
///
/// # Errors
/// If the filter does not parse, or logging was set up before.
pub fn init(config: &TelemetryConfig) -> Result<(), TelemetryError> {
    let subscriber = subscriber(config, io::stderr)?;
    tracing::subscriber::set_global_default(subscriber).map_err(TelemetryError::AlreadySet)?;
    panic::set_hook(Box::new(log_panic));
    Ok(())
}

/// A panic is a log line like any other, and may not say what it was formatted with: that can be a secret.
fn log_panic(panic: &PanicHookInfo<'_>) {
    let message = panic
        .payload()
        .downcast_ref::<&'static str>()
        .copied()
        .unwrap_or("(not shown)");
    let location = panic.location().map(ToString::to_string);
    tracing::error!(location, text = message, "panic: this is a defect");
}

fn subscriber<W>(config: &TelemetryConfig, writer: W) -> Result<impl Subscriber + Send + Sync, TelemetryError>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let asked = EnvFilter::builder()
        .parse(&config.filter)
        .map_err(TelemetryError::Filter)?;
    Ok(tracing_subscriber::registry().with(lines(config.format, writer).with_filter(ceiling().and(asked))))
}

fn ceiling() -> Targets {
    Targets::new()
        .with_default(OTHERS)
        .with_targets(OURS.map(|ours| (ours, LevelFilter::TRACE)))
        .with_targets(CEILINGS)
}

fn lines<S, W>(format: Format, writer: W) -> Box<dyn Layer<S> + Send + Sync>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let layer = tracing_subscriber::fmt::layer()
        .with_writer(writer)
        .with_ansi(false);
    match format {
        Format::Json => layer.json().flatten_event(true).boxed(),
        Format::Text => layer.boxed(),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Captured(Arc<Mutex<Vec<u8>>>);

    impl Write for Captured {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn logged(format: Format, filter: &str, act: impl FnOnce()) -> String {
        let captured = Captured::default();
        let config = TelemetryConfig {
            format,
            filter: filter.to_owned(),
        };
        let writer = captured.clone();
        let subscriber = subscriber(&config, move || writer.clone()).unwrap();
        tracing::subscriber::with_default(subscriber, act);
        let bytes = captured.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn a_filter_raises_our_own_code_up_to_trace() {
        let log = logged(Format::Text, "esi_ledger=trace", || {
            tracing::trace!(target: "esi_ledger::sqlite", "ours");
        });
        assert!(log.contains("ours"), "{log}");
    }

    #[test]
    fn no_filter_lifts_the_ceiling_of_a_dependency() {
        for filter in [
            "trace",
            "vaultrs=trace,sqlx=trace,h2=trace,hyper=trace",
            "rustify::http=trace",
        ] {
            let log = logged(Format::Text, filter, || {
                tracing::error!(target: "vaultrs::api", "secret");
                tracing::error!(target: "rustify::http", "secret");
                tracing::debug!(target: "sqlx::query", "secret");
                tracing::info!(target: "hyper_util::client", "secret");
                tracing::trace!(target: "h2::codec", "secret");
                tracing::debug!(target: "unheard_of", "secret");
            });
            assert_eq!(log, "", "filter {filter}");
        }
    }

    #[test]
    fn a_warning_of_a_capped_dependency_is_still_seen() {
        let log = logged(
            Format::Text,
            "info",
            || tracing::warn!(target: "sqlx::pool", "slow"),
        );
        assert!(log.contains("slow"), "{log}");
    }

    #[test]
    fn json_is_one_object_per_line_with_the_fields_at_the_top() {
        let log = logged(Format::Json, "info", || {
            tracing::info!(target: "esi_runtime", lease = "l-1", "issued\nnot a new line");
        });
        assert_eq!(log.lines().count(), 1);
        assert!(log.contains(r#""lease":"l-1""#), "{log}");
    }

    #[test]
    fn a_filter_that_does_not_parse_is_refused_with_an_example() {
        let config = TelemetryConfig {
            format: Format::Json,
            filter: "info,=,esi=loud".to_owned(),
        };
        let error = subscriber(&config, io::sink).err().unwrap();
        assert_eq!(error.kind(), "log_filter");
        assert!(error.to_string().contains("info,esi_ledger=debug"));
    }

    #[test]
    fn a_panic_is_logged_with_its_place_and_without_what_it_was_formatted_with() {
        // The hook is global: this one logs only while a subscriber captures, as the default of this thread.
        let before = panic::take_hook();
        panic::set_hook(Box::new(log_panic));
        let log = logged(Format::Text, "info", || {
            let secret = String::from("hunter2");
            assert!(panic::catch_unwind(|| panic!("bad {secret}")).is_err());
            assert!(panic::catch_unwind(|| panic!("a literal")).is_err());
        });
        panic::set_hook(before);
        assert!(
            log.contains("telemetry.rs:") && log.contains("a literal"),
            "{log}"
        );
        assert!(!log.contains("hunter2"), "{log}");
    }
}
