//! The command line.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use clap::{Args as ClapArgs, Parser, Subcommand};
use esi_core::{Checkpoint, NoCheckpoint, SystemClock, span};
use esi_runtime::args::{CertificateArgs, LogArgs, duration};
use esi_runtime::tls::TlsSource;

use crate::app::{self, AppError, Config};
use crate::dev;
use crate::issue::IssueLimits;
use crate::operator::Operator;

/// Issues every workload a credential of its own, and revokes it when the workload ends.
#[derive(Debug, Parser)]
#[command(name = "esi-federation", version, about, max_term_width = 100)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    log: LogArgs,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve.
    Serve(Box<Serve>),
    /// Try it: everything on loopback, in a temporary directory, with a token issuer and example generators.
    Dev(dev::DevArgs),
}

/// Where the ledger is.
#[derive(Debug, Clone)]
struct LedgerPath(PathBuf);

impl FromStr for LedgerPath {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once(':') {
            Some(("sqlite", path)) if !path.is_empty() => Ok(Self(PathBuf::from(path))),
            _ => Err("write sqlite:PATH, such as sqlite:/var/lib/esi/ledger.db".to_owned()),
        }
    }
}

#[derive(Debug, ClapArgs)]
struct Serve {
    /// Directory of Kubernetes manifests: generators, Authorizations, KubernetesFederations, Secrets. Reloaded on
    /// change; a broken file fails the start.
    #[arg(long, env = "ESI_CATALOG", value_name = "DIR")]
    catalog: PathBuf,
    /// The lease ledger, on a local disk: sqlite:PATH. Made if absent. Lose it and leases are lost track of.
    #[arg(long, env = "ESI_LEDGER", value_name = "sqlite:PATH")]
    ledger: LedgerPath,
    /// Address to serve workloads on (TLS: gRPC).
    #[arg(long, env = "ESI_LISTEN", value_name = "ADDR", default_value = "0.0.0.0:8443")]
    listen: SocketAddr,
    /// Address of /healthz, /readyz and /metrics (plain HTTP, no secrets).
    #[arg(
        long,
        env = "ESI_ADMIN_LISTEN",
        value_name = "ADDR",
        default_value = "127.0.0.1:9090"
    )]
    admin_listen: SocketAddr,
    /// What tokens must be meant for: the audience to project them with. One per server, so that no server can
    /// use a token at another.
    #[arg(long, env = "ESI_AUDIENCE", value_name = "TEXT", default_value = "esi")]
    audience: String,
    /// A service account that may see all leases and have them rotated (the gRPC service `esi.v1.Leases`).
    /// Repeatable.
    #[arg(
        long = "operator",
        env = "ESI_OPERATORS",
        value_name = "FEDERATION/NAMESPACE/NAME",
        value_delimiter = ','
    )]
    operators: Vec<Operator>,
    #[command(flatten)]
    tls: Tls,
    #[command(flatten)]
    limits: Limits,
    /// How long running calls may take to end once the server is told to stop.
    #[arg(long, env = "ESI_DRAIN", value_name = "DURATION", default_value = "25s", value_parser = duration)]
    drain: Duration,
}

#[derive(Debug, ClapArgs)]
struct Tls {
    #[command(flatten)]
    files: CertificateArgs,
    /// Without certificate files: the directory of the server's own CA, made at the first start. Clients trust its
    /// ca.pem. Default: `tls` beside the ledger.
    #[arg(long, env = "ESI_TLS_DIR", value_name = "DIR", conflicts_with = "tls_cert")]
    tls_dir: Option<PathBuf>,
    /// A DNS name or address that clients use for this server, for the certificate of the own CA. Repeatable.
    #[arg(long = "tls-name", env = "ESI_TLS_NAMES", value_name = "NAME", value_delimiter = ',', default_values_t = ["localhost".to_owned(), "127.0.0.1".to_owned()])]
    tls_names: Vec<String>,
}

#[derive(Debug, ClapArgs)]
struct Limits {
    /// Time to live of a credential where the plan asks for none [default: 1h, or --max-ttl where that is less].
    #[arg(long, env = "ESI_DEFAULT_TTL", value_name = "DURATION", value_parser = duration)]
    default_ttl: Option<Duration>,
    /// Longest time to live of one grant, whatever an Authorization says. A workload that lives on has it renewed;
    /// an Authorization's maxTTL bounds that, too.
    #[arg(long, env = "ESI_MAX_TTL", value_name = "DURATION", default_value = "24h", value_parser = duration)]
    max_ttl: Duration,
    /// How long a backend may take to mint.
    #[arg(long, env = "ESI_MINT_TIMEOUT", value_name = "DURATION", default_value = "20s", value_parser = duration)]
    mint_timeout: Duration,
    /// How long the credential before lives on once a workload shows the next one, where the plan does not say
    /// [default: 1m, or --max-overlap where that is less].
    #[arg(long, env = "ESI_OVERLAP", value_name = "DURATION", value_parser = duration)]
    overlap: Option<Duration>,
    /// The longest such time that a plan can ask for.
    #[arg(long, env = "ESI_MAX_OVERLAP", value_name = "DURATION", default_value = "1h", value_parser = duration)]
    max_overlap: Duration,
}

impl Args {
    /// Runs the command to its end.
    ///
    /// # Errors
    /// What ended it.
    pub fn run(self) -> Result<(), AppError> {
        self.run_with(Arc::new(NoCheckpoint))
    }

    /// The same, with an ear for the named steps.
    ///
    /// # Errors
    /// What ended it.
    pub fn run_with(self, checkpoint: Arc<dyn Checkpoint>) -> Result<(), AppError> {
        let Self { command, log } = self;
        esi_runtime::start(log)?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()
            .map_err(AppError::Runtime)?;
        runtime.block_on(async {
            match command {
                Command::Serve(serve) => app::build(serve.config(checkpoint)?).await?.until_stopped().await,
                Command::Dev(dev) => dev::run(dev).await,
            }
        })
    }
}

impl Serve {
    fn config(self, checkpoint: Arc<dyn Checkpoint>) -> Result<Config, AppError> {
        let Self {
            catalog,
            ledger: LedgerPath(ledger),
            listen,
            admin_listen,
            audience,
            operators,
            tls,
            limits,
            drain,
        } = self;
        let Tls {
            files,
            tls_dir,
            tls_names,
        } = tls;
        let limits = limits.check()?;
        let tls = files.source().unwrap_or_else(|| TlsSource::OwnCa {
            directory: tls_dir.unwrap_or_else(|| ledger.with_file_name("tls")),
            names: tls_names,
        });
        Ok(Config {
            catalog,
            ledger,
            listen,
            admin_listen,
            audience,
            operators,
            tls,
            limits,
            drain,
            clock: Arc::new(SystemClock),
            checkpoint,
        })
    }
}

impl Limits {
    fn check(self) -> Result<IssueLimits, AppError> {
        let Self {
            default_ttl,
            max_ttl,
            mint_timeout,
            overlap,
            max_overlap,
        } = self;
        let standard = IssueLimits::default();
        let default_ttl = default_ttl.unwrap_or(standard.default_ttl.min(max_ttl));
        let default_overlap = overlap.unwrap_or(standard.default_overlap.min(max_overlap));
        in_order(
            ("--default-ttl (ESI_DEFAULT_TTL)", default_ttl),
            ("--max-ttl (ESI_MAX_TTL)", max_ttl),
        )?;
        in_order(
            ("--overlap (ESI_OVERLAP)", default_overlap),
            ("--max-overlap (ESI_MAX_OVERLAP)", max_overlap),
        )?;
        Ok(IssueLimits {
            default_ttl,
            max_ttl,
            mint_within: mint_timeout,
            default_overlap,
            max_overlap,
            ..standard
        })
    }
}

/// A default that nobody could get is refused.
fn in_order(
    (flag, value): (&'static str, Duration),
    (bound, max): (&'static str, Duration),
) -> Result<(), AppError> {
    if value <= max {
        return Ok(());
    }
    Err(AppError::FlagOrder {
        flag,
        value: span::format(value),
        bound,
        max: span::format(max),
    })
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Args::command().debug_assert();
    }

    #[test]
    fn a_ledger_that_is_not_sqlite_is_refused_with_what_to_write() {
        let line = ["esi-federation", "serve", "--catalog", "c", "--ledger", "redis:x"];
        let error = Args::try_parse_from(line).unwrap_err().to_string();
        assert!(error.contains("sqlite:PATH"), "{error}");
    }

    fn limits(flags: &[&str]) -> Result<IssueLimits, AppError> {
        let line = [
            "esi-federation",
            "serve",
            "--catalog",
            "c",
            "--ledger",
            "sqlite:l",
        ];
        let args = Args::try_parse_from(line.iter().chain(flags)).unwrap();
        let Command::Serve(serve) = args.command else {
            unreachable!("it is told to serve")
        };
        serve.config(Arc::new(NoCheckpoint)).map(|config| config.limits)
    }

    #[test]
    fn a_default_time_to_live_that_no_credential_could_get_is_refused() {
        let error = limits(&["--default-ttl", "2h", "--max-ttl", "1h"]).unwrap_err();
        let text = error.to_string();
        assert!(text.contains("--default-ttl") && text.contains("2h"), "{text}");
        assert!(text.contains("--max-ttl") && text.contains("1h"), "{text}");
        assert!(limits(&["--default-ttl", "1h", "--max-ttl", "1h"]).is_ok());
    }

    #[test]
    fn a_low_longest_time_to_live_lowers_the_default_that_nobody_wrote() {
        let limits = limits(&["--max-ttl", "10m"]).unwrap();
        assert_eq!(limits.default_ttl, Duration::from_secs(600));
    }

    #[test]
    fn an_overlap_beyond_what_can_be_asked_for_is_refused_and_one_that_nobody_wrote_follows() {
        let error = limits(&["--overlap", "2h", "--max-overlap", "1h"]).unwrap_err();
        assert!(error.to_string().contains("--max-overlap"), "{error}");
        let limits = limits(&["--max-overlap", "10s"]).unwrap();
        assert_eq!(limits.default_overlap, Duration::from_secs(10));
    }

    #[test]
    fn a_certificate_without_its_key_is_refused() {
        let line = [
            "esi-federation",
            "serve",
            "--catalog",
            "c",
            "--ledger",
            "sqlite:l",
            "--tls-cert",
            "c.pem",
        ];
        assert!(
            Args::try_parse_from(line)
                .unwrap_err()
                .to_string()
                .contains("--tls-key")
        );
    }
}
