//! The command line.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::{Args as ClapArgs, Parser, Subcommand, ValueEnum};
use esi_core::{SystemClock, span};
use esi_runtime::telemetry::{self, Format, TelemetryConfig};
use esi_runtime::tls::TlsSource;

use crate::app::{self, AppError, Config};
use crate::world::CurrentWorld;

/// Gives every pod that asks for a credential what it needs to get one.
#[derive(Debug, Parser)]
#[command(name = "esi-webhook", version, about, max_term_width = 100)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
    /// How the log on standard error is written.
    #[arg(long, global = true, env = "ESI_LOG_FORMAT", value_enum, default_value_t = LogFormat::Auto)]
    log_format: LogFormat,
    /// What is logged, such as `info` or `esi_webhook=debug,warn`.
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

#[derive(Debug, Subcommand)]
enum Command {
    /// Answer the API server.
    Serve(Serve),
}

fn duration(text: &str) -> Result<Duration, String> {
    span::parse(text).map_err(|error| error.to_string())
}

/// Worker threads: a review is 0.1 ms of work, so that two take more than an API server can ask; more would only hold
/// memory on large nodes.
const WORKERS: usize = 2;

#[derive(Debug, ClapArgs)]
struct Serve {
    /// The configuration file: servers, defaults, the init container. Reloaded on change; a broken file fails the
    /// start, and later leaves the last good one in force.
    #[arg(
        long,
        env = "ESI_CONFIG",
        value_name = "FILE",
        default_value = "/etc/esi/webhook.yaml"
    )]
    config: PathBuf,
    /// Address to serve the API server on (TLS; reviews are POSTed to /mutate).
    #[arg(long, env = "ESI_LISTEN", value_name = "ADDR", default_value = "0.0.0.0:9443")]
    listen: SocketAddr,
    /// Address of /healthz, /readyz and /metrics (plain HTTP).
    #[arg(
        long,
        env = "ESI_ADMIN_LISTEN",
        value_name = "ADDR",
        default_value = "127.0.0.1:9090"
    )]
    admin_listen: SocketAddr,
    /// The webhook's certificate chain in PEM; reloaded on change.
    #[arg(long, env = "ESI_TLS_CERT", value_name = "FILE")]
    tls_cert: PathBuf,
    /// Its private key in PEM.
    #[arg(long, env = "ESI_TLS_KEY", value_name = "FILE")]
    tls_key: PathBuf,
    /// How long running reviews may take to end once the webhook is told to stop.
    #[arg(long, env = "ESI_DRAIN", value_name = "DURATION", default_value = "10s", value_parser = duration)]
    drain: Duration,
}

impl Args {
    /// Runs the command to its end.
    ///
    /// # Errors
    /// What ended it.
    pub fn run(self) -> Result<(), AppError> {
        let Self {
            command,
            log_format,
            log,
        } = self;
        let format = match log_format {
            LogFormat::Auto => Format::detect(),
            LogFormat::Json => Format::Json,
            LogFormat::Text => Format::Text,
        };
        telemetry::init(&TelemetryConfig { format, filter: log })?;
        esi_runtime::crypto::install()?;
        match command {
            Command::Serve(serve) => tokio::runtime::Builder::new_multi_thread()
                .worker_threads(WORKERS)
                .enable_all()
                .build()
                .map_err(AppError::Runtime)?
                .block_on(async { app::build(serve.config()).await?.until_stopped().await }),
        }
    }
}

impl Serve {
    fn config(self) -> Config {
        let Self {
            config,
            listen,
            admin_listen,
            tls_cert,
            tls_key,
            drain,
        } = self;
        Config {
            configuration: config,
            listen,
            admin_listen,
            tls: TlsSource::Files {
                certificate: tls_cert,
                key: tls_key,
            },
            world: CurrentWorld::default(),
            limits: app::limits(drain),
            clock: Arc::new(SystemClock),
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Args::command().debug_assert();
    }
}
