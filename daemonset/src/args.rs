//! The command line.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::{Args as ClapArgs, Parser, Subcommand};
use esi_core::names::ObjectName;
use esi_core::{Checkpoint, NoCheckpoint, SystemClock};
use esi_runtime::args::{LogArgs, duration};

use crate::app::{self, AppError, Config, ServersAt};
use crate::csi::DriverName;
use crate::request::KubeletRoot;

/// Gives pods volumes in memory, and the credentials in them.
#[derive(Debug, Parser)]
#[command(name = "esi-node", version, about, max_term_width = 100)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    log: LogArgs,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Answer kubelet. As root, on every node.
    Serve(Serve),
}

/// Worker threads: a call is a few system calls, and those that block have threads of their own.
const WORKERS: usize = 2;

#[derive(Debug, ClapArgs)]
struct Serve {
    /// kubelet's directory: the same path here as on the node, because kubelet names volumes by it.
    #[arg(
        long,
        env = "ESI_KUBELET_ROOT",
        value_name = "DIR",
        default_value = "/var/lib/kubelet",
        value_parser = KubeletRoot::new
    )]
    kubelet_root: KubeletRoot,
    /// The node's name.
    #[arg(long, env = "NODE_NAME", value_name = "NAME")]
    node_name: ObjectName,
    /// The driver's name: the CSIDriver object's.
    #[arg(
        long,
        env = "ESI_DRIVER",
        value_name = "NAME",
        default_value = "esi.csi.external-secrets.io"
    )]
    driver: DriverName,
    /// Where it is recorded which volumes there are; no secret is. On a disk: it must outlast a restart of the node.
    /// [default: `plugins/<driver>/state` in kubelet's directory]
    #[arg(long, env = "ESI_STATE_DIR", value_name = "DIR")]
    state_dir: Option<PathBuf>,
    /// The federation servers that plans may name: JSON, by name, each with `url`, `ca` or `caFile`, and `audience`.
    /// Read again when it changes. Without it no volume is filled by the daemon (delivery `node`).
    #[arg(long, env = "ESI_SERVERS_FILE", value_name = "FILE", requires = "token_dir")]
    servers: Option<PathBuf>,
    /// The daemon's own tokens: for each server the file of its name, with a token for that server's audience.
    #[arg(long, env = "ESI_TOKEN_DIR", value_name = "DIR", requires = "servers")]
    token_dir: Option<PathBuf>,
    /// Refuse to start where volumes could be swapped out.
    #[arg(long, env = "ESI_REQUIRE_NOSWAP")]
    require_noswap: bool,
    /// Address of /healthz, /readyz and /metrics (plain HTTP).
    #[arg(
        long,
        env = "ESI_ADMIN_LISTEN",
        value_name = "ADDR",
        default_value = "127.0.0.1:9090"
    )]
    admin_listen: SocketAddr,
    /// How long running calls may take to end once the daemon is told to stop.
    #[arg(long, env = "ESI_DRAIN", value_name = "DURATION", default_value = "20s", value_parser = duration)]
    drain: Duration,
}

impl Args {
    /// Runs the command to its end.
    ///
    /// # Errors
    /// What ended it.
    pub fn run(self) -> Result<(), AppError> {
        self.run_with(Arc::new(NoCheckpoint))
    }

    /// The same, telling of every step: for tests that stop at one.
    ///
    /// # Errors
    /// What ended it.
    pub fn run_with(self, checkpoint: Arc<dyn Checkpoint>) -> Result<(), AppError> {
        match self.command {
            Command::Serve(serve) => serve.run(self.log, checkpoint),
        }
    }
}

impl Serve {
    fn run(self, log: LogArgs, checkpoint: Arc<dyn Checkpoint>) -> Result<(), AppError> {
        esi_runtime::start(log)?;
        tokio::runtime::Builder::new_multi_thread()
            .worker_threads(WORKERS)
            .enable_all()
            .build()
            .map_err(AppError::Runtime)?
            .block_on(async { app::build(self.config(checkpoint)).await?.until_stopped().await })?;
        tracing::info!(event = "stopped");
        Ok(())
    }

    fn config(self, checkpoint: Arc<dyn Checkpoint>) -> Config {
        let Self {
            kubelet_root,
            node_name,
            driver,
            state_dir,
            servers,
            token_dir,
            require_noswap,
            admin_listen,
            drain,
        } = self;
        let beside_the_socket = || {
            kubelet_root
                .path()
                .join("plugins")
                .join(driver.as_str())
                .join("state")
        };
        Config {
            state: state_dir.unwrap_or_else(beside_the_socket),
            kubelet_root,
            node: node_name,
            driver,
            servers: servers
                .zip(token_dir)
                .map(|(file, tokens)| ServersAt { file, tokens }),
            require_noswap,
            admin_listen,
            drain,
            clock: Arc::new(SystemClock),
            checkpoint,
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    fn config(flags: &[&str]) -> Config {
        let line = ["esi-node", "serve", "--node-name", "node-1"];
        let args = Args::try_parse_from(line.iter().chain(flags)).unwrap();
        let Command::Serve(serve) = args.command;
        serve.config(Arc::new(NoCheckpoint))
    }

    #[test]
    fn the_command_line_is_consistent() {
        Args::command().debug_assert();
    }

    #[test]
    fn the_state_is_kept_beside_the_socket_unless_it_is_said_where() {
        let beside = "/k/plugins/esi.csi.external-secrets.io/state";
        assert_eq!(config(&["--kubelet-root", "/k"]).state, PathBuf::from(beside));
        assert_eq!(config(&["--state-dir", "/state"]).state, PathBuf::from("/state"));
    }

    #[test]
    fn a_root_with_detours_is_refused() {
        let line = [
            "esi-node",
            "serve",
            "--node-name",
            "n",
            "--kubelet-root",
            "/var/../k",
        ];
        let error = Args::try_parse_from(line).unwrap_err().to_string();
        assert!(error.contains("absolute path"), "{error}");
    }

    #[test]
    fn servers_come_with_the_daemons_own_tokens() {
        let at = ServersAt {
            file: "/etc/esi/servers.json".into(),
            tokens: "/tokens".into(),
        };
        let flags = ["--servers", "/etc/esi/servers.json", "--token-dir", "/tokens"];
        assert_eq!(config(&flags).servers, Some(at));
        assert_eq!(config(&[]).servers, None);
        let line = ["esi-node", "serve", "--node-name", "n", "--servers", "s.json"];
        let error = Args::try_parse_from(line).unwrap_err().to_string();
        assert!(error.contains("--token-dir"), "{error}");
    }
}
