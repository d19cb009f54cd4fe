//! The command line.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::str::FromStr as _;
use std::sync::Arc;
use std::time::Duration;

use clap::{Args as ClapArgs, Parser, Subcommand};
use esi_core::SystemClock;
use esi_core::names::{Namespace, ObjectName};
use esi_runtime::args::{CertificateArgs, LogArgs, duration};

use crate::app::{self, AppError, Certificate, Config};
use crate::certificates::{KeeperConfig, SecretPlace};
use crate::cluster::Cluster;
use crate::explain::{self, Explain, Kubernetes, Output, Streams};
use crate::world::CurrentWorld;

/// Gives every pod that asks for a credential what it needs to get one.
#[derive(Debug, Parser)]
#[command(name = "esi-webhook", version, about, max_term_width = 100)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    log: LogArgs,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Answer the API server.
    Serve(Serve),
    /// Show what would be made of pods, without a cluster. Ends with 1 if one of them would be denied, with 2 if
    /// something cannot be read.
    Explain(ExplainArgs),
}

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
    /// How the API server is reached; found without it in a pod, or through KUBECONFIG.
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
    #[command(flatten)]
    tls: Tls,
    /// How long running reviews may take to end once the webhook is told to stop.
    #[arg(long, env = "ESI_DRAIN", value_name = "DURATION", default_value = "10s", value_parser = duration)]
    drain: Duration,
}

/// The certificate: files of somebody else's making, or the webhook's own authority.
#[derive(Debug, ClapArgs)]
struct Tls {
    #[command(flatten)]
    files: CertificateArgs,
    /// The Secret that holds the webhook's own authority; made if it is not there.
    #[arg(
        long,
        env = "ESI_CA_SECRET",
        value_name = "NAMESPACE/NAME",
        default_value = "esi-system/esi-webhook-ca"
    )]
    ca_secret: SecretPlace,
    /// The MutatingWebhookConfiguration that is told to trust the webhook's own authority. With certificate files its
    /// caBundle is somebody else's to keep (cert-manager, say).
    #[arg(
        long,
        env = "ESI_WEBHOOK_CONFIGURATION",
        value_name = "NAME",
        default_value = "esi-webhook"
    )]
    webhook_configuration: ObjectName,
    /// A DNS name or address by which the API server calls the webhook, for certificates of the own authority.
    /// Repeatable.
    #[arg(
        long = "tls-name",
        env = "ESI_TLS_NAMES",
        value_name = "NAME",
        value_delimiter = ',',
        default_value = "esi-webhook.esi-system.svc"
    )]
    tls_names: Vec<String>,
}

impl Tls {
    fn certificate(self, cluster: Cluster) -> Certificate {
        let Self {
            files,
            ca_secret,
            webhook_configuration,
            tls_names,
        } = self;
        match files.source() {
            Some(files) => Certificate::Given(files),
            None => Certificate::Kept {
                cluster,
                keeper: KeeperConfig {
                    secret: ca_secret,
                    webhook_configuration: webhook_configuration.to_string(),
                },
                names: tls_names,
            },
        }
    }
}

#[derive(Debug, ClapArgs)]
#[command(after_help = "\
Examples:
  esi-webhook explain -f pod.yaml -f injection.yaml
  kubectl get deployment web -o yaml | esi-webhook explain -f - -f injection.yaml -o yaml")]
struct ExplainArgs {
    /// A manifest in YAML or JSON, of any number of objects: Pods, workloads (Deployment, StatefulSet, DaemonSet,
    /// ReplicaSet, Job, CronJob) and the Injections that they name. - is standard input. Repeatable.
    #[arg(short = 'f', long = "file", value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    /// The webhook's configuration file; without it, the documented example.
    #[arg(long, env = "ESI_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    /// The namespace of objects that name none.
    #[arg(short, long, value_name = "NAME", default_value = "default", value_parser = Namespace::from_str)]
    namespace: Namespace,
    /// The version of the API server and of all nodes.
    #[arg(long, value_name = "VERSION", default_value = "1.37")]
    kubernetes_version: Kubernetes,
    /// What is shown.
    #[arg(short, long, value_enum, default_value_t = Output::Diff)]
    output: Output,
}

impl Args {
    /// Runs the command to its end; what the process ends with.
    ///
    /// # Errors
    /// What ended it.
    pub fn run(self) -> Result<ExitCode, AppError> {
        match self.command {
            Command::Serve(serve) => serve.run(self.log),
            Command::Explain(explain) => explain.run(),
        }
    }
}

impl Serve {
    fn run(self, log: LogArgs) -> Result<ExitCode, AppError> {
        esi_runtime::start(log)?;
        // One thread: a review takes it less than 0.1 ms, so that it answers more than an API server can ask; a second
        // one would mostly be woken to find nothing to do, which costs as much as a review does.
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(AppError::Runtime)?
            .block_on(async { app::build(self.config().await?).await?.until_stopped().await })?;
        tracing::info!(event = "stopped");
        Ok(ExitCode::SUCCESS)
    }

    async fn config(self) -> Result<Config, AppError> {
        let Self {
            config,
            listen,
            admin_listen,
            kubeconfig,
            tls,
            drain,
        } = self;
        let cluster = Cluster::find(kubeconfig.as_deref()).await?;
        Ok(Config {
            configuration: config,
            listen,
            admin_listen,
            certificate: tls.certificate(cluster.clone()),
            world: CurrentWorld::default(),
            cluster: Some(cluster),
            limits: app::limits(drain),
            clock: Arc::new(SystemClock),
        })
    }
}

impl ExplainArgs {
    fn run(self) -> Result<ExitCode, AppError> {
        let Self {
            files,
            config,
            namespace,
            kubernetes_version,
            output,
        } = self;
        let explain = Explain {
            files,
            config,
            namespace,
            kubernetes: kubernetes_version,
            output,
        };
        let streams = Streams {
            input: &mut io::stdin().lock(),
            output: &mut io::stdout().lock(),
            notes: &mut io::stderr().lock(),
        };
        let allowed = explain::explain(&explain, streams)?;
        Ok(if allowed {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        })
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
