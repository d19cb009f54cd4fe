//! The daemon's process, in a mount namespace of its own.
//!
//! kubelet's root is an ordinary directory, bound onto itself and shared inside the namespace: sockets, and what is not
//! mounted, are the same for the test, and what is mounted is seen through the process ([`Daemon::inside`]).

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result};
use tempfile::TempDir;

use super::Kubelet;
use crate::crash::STEP;
use crate::federation::binary;
use crate::process::Server;

const DRIVER: &str = "esi.csi.external-secrets.io";
const NODE: &str = "node-1";
/// Longer than the daemon waits for anything that a test provokes: the next report, first of all.
const LIMIT: Duration = Duration::from_secs(90);

/// A daemon on a kubelet root of its own. It may be stopped, killed and started again on the same root; what was mounted
/// lasts as long as the namespace, which is as long as the process.
#[derive(Debug)]
pub struct Daemon {
    directory: TempDir,
    process: Option<Server>,
    /// Keeps the namespace, and what is mounted in it, from one process to the next.
    holder: Option<Server>,
    /// The step at which the first process kills itself.
    kill_at: Option<String>,
    flags: Vec<String>,
}

impl Daemon {
    /// Makes the root; nothing runs yet.
    pub fn prepare() -> Result<Self> {
        let directory = tempfile::Builder::new().prefix("esi-node-").tempdir()?;
        let daemon = Self {
            directory,
            process: None,
            holder: None,
            kill_at: None,
            flags: vec![],
        };
        for kubelets in ["pods", "plugins", "plugins_registry"] {
            fs::create_dir_all(daemon.root().join(kubelets))?;
        }
        Ok(daemon)
    }

    /// The same, running, and registered with kubelet.
    pub async fn start() -> Result<(Self, Kubelet)> {
        let mut daemon = Self::prepare()?;
        daemon.run()?;
        let kubelet = daemon.register().await?;
        Ok((daemon, kubelet))
    }

    /// With these flags more.
    #[must_use]
    pub fn with(mut self, flags: &[&str]) -> Self {
        self.flags.extend(flags.iter().map(|flag| (*flag).to_owned()));
        self
    }

    /// Whose first process kills itself at this step.
    #[must_use]
    pub fn killed_at(self, step: Option<&str>) -> Self {
        Self {
            kill_at: step.map(str::to_owned),
            ..self
        }
    }

    /// Starts the process.
    pub fn run(&mut self) -> Result<()> {
        const PREPARE: &str = r#"
            set -e
            mount --bind "$1" "$1"
            mount --make-rshared "$1"
            shift
            exec "$@"
        "#;
        let root = self.root().display().to_string();
        let mut args = vec![
            "--mount",
            "--propagation",
            "private",
            "sh",
            "-c",
            PREPARE,
            "sh",
            &root,
        ];
        let program = self.kill_at.as_ref().map_or("esi-node", |_step| "esi-node-crash");
        let daemon = self.command_line(program)?;
        args.extend(daemon.iter().map(String::as_str));
        let env: Vec<(&str, &str)> = self.kill_at.iter().map(|step| (STEP, &**step)).collect();
        let process = Server::start_with("root", Path::new("unshare"), &args, &env, &self.log_file())?;
        self.process = Some(process);
        Ok(())
    }

    /// Keeps the namespace of the process, should it die.
    pub fn hold(&mut self) -> Result<()> {
        let daemon = self.process()?.pid();
        let namespace = namespace_of(daemon)?;
        let sleep = ["sleep".to_owned(), "infinity".to_owned()];
        let holder = self.in_namespace_of(daemon, &sleep)?;
        let holder = self.holder.insert(holder);
        let pid = holder.pid();
        holder.wait_until("it is in the namespace", || {
            namespace_of(pid).is_ok_and(|found| found == namespace)
        })
    }

    /// Waits for the process to kill itself.
    pub async fn dies(&mut self) -> Result<()> {
        let process = self.process_mut()?;
        let dies = async {
            while process.is_running() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(LIMIT, dies)
            .await
            .context("the daemon lives on")
    }

    /// Kills the process and starts another, among the same mounts.
    pub fn restart(&mut self) -> Result<()> {
        if self.holder.is_none() {
            self.hold()?;
        }
        self.process_mut()?.kill()?;
        let holder = self.holder.as_ref().context("there is one")?;
        self.process = Some(self.in_namespace_of(holder.pid(), &self.command_line("esi-node")?)?);
        Ok(())
    }

    fn in_namespace_of(&self, pid: u32, command: &[String]) -> Result<Server> {
        let pid = pid.to_string();
        let mut args = vec!["--mount", "--target", &pid, "--"];
        args.extend(command.iter().map(String::as_str));
        Server::start("root", Path::new("nsenter"), &args, &self.log_file())
    }

    fn command_line(&self, program: &str) -> Result<Vec<String>> {
        let (program, root) = (binary(program)?, self.root());
        let mut line = vec![program.display().to_string(), "serve".to_owned()];
        let root = root.display().to_string();
        let fixed = [
            ("--kubelet-root", &*root),
            ("--node-name", NODE),
            ("--driver", DRIVER),
            ("--admin-listen", "127.0.0.1:0"),
        ];
        line.extend(
            fixed
                .iter()
                .flat_map(|(flag, value)| [(*flag).to_owned(), (*value).to_owned()]),
        );
        line.extend(self.flags.iter().cloned());
        Ok(line)
    }

    /// Waits for the process to listen, and registers it as kubelet does.
    pub async fn register(&mut self) -> Result<Kubelet> {
        let root = self.root();
        let looked_for = Kubelet::unregistered(&root, DRIVER);
        let listens = async || looked_for.is_there().await;
        self.process_mut()?
            .wait_until_async("it answers kubelet", listens)
            .await?;
        Kubelet::register(&root, DRIVER).await
    }

    /// kubelet's root, as everybody calls it.
    #[must_use]
    pub fn root(&self) -> PathBuf {
        self.directory.path().join("kubelet")
    }

    /// A path as the process sees it: with what is mounted there.
    pub fn inside(&self, path: &Path) -> Result<PathBuf> {
        let pid = self.process()?.pid();
        let path = path.strip_prefix("/")?;
        Ok(Path::new("/proc").join(pid.to_string()).join("root").join(path))
    }

    /// The process's table of mounts, the lines that have this text.
    pub fn mounts(&self, of: &str) -> Result<Vec<String>> {
        let table = fs::read_to_string(format!("/proc/{}/mountinfo", self.process()?.pid()))?;
        Ok(table
            .lines()
            .filter(|line| line.contains(of))
            .map(str::to_owned)
            .collect())
    }

    /// Where health and metrics are served.
    pub fn admin(&self) -> Result<String> {
        let log = self.log();
        let line = log
            .lines()
            .rfind(|line| line.contains("admin_address"))
            .context("it says where")?;
        let said: serde_json::Value = serde_json::from_str(line)?;
        let address = said["admin_address"].as_str().context("it is an address")?;
        Ok(format!("http://{address}"))
    }

    /// The process.
    pub fn process(&self) -> Result<&Server> {
        self.process.as_ref().context("the daemon does not run")
    }

    /// The process, to stop or to kill.
    pub fn process_mut(&mut self) -> Result<&mut Server> {
        self.process.as_mut().context("the daemon does not run")
    }

    /// Everything that it has logged.
    #[must_use]
    pub fn log(&self) -> String {
        fs::read_to_string(self.log_file()).unwrap_or_default()
    }

    fn log_file(&self) -> PathBuf {
        self.directory.path().join("log")
    }
}

/// The namespace of mounts of a process.
fn namespace_of(pid: u32) -> Result<PathBuf> {
    Ok(fs::read_link(format!("/proc/{pid}/ns/mnt"))?)
}
