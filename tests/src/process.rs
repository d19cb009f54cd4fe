//! Child processes that cannot outlive the tests.
//!
//! Every child is started through `setpriv --pdeathsig KILL`, so that the kernel ends it with us, however we end.
//! That signal follows the *thread* that started the child: all are started by one thread that never ends.

use std::fs::File;
use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{LazyLock, Mutex};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};

type Start = (Command, Sender<io::Result<Child>>);

static STARTER: LazyLock<Mutex<Sender<Start>>> = LazyLock::new(|| {
    let (sender, starts): (Sender<Start>, Receiver<Start>) = channel();
    thread::spawn(move || {
        for (mut command, reply) in starts {
            // The asker waits for exactly this reply.
            reply.send(command.spawn()).unwrap();
        }
    });
    Mutex::new(sender)
});

/// A server that is killed when this is dropped.
#[derive(Debug)]
pub struct Server {
    child: Child,
    log: PathBuf,
    name: String,
}

impl Server {
    /// Starts `program` as `user`, its output going to `log`.
    pub fn start(user: &str, program: &Path, args: &[&str], log: &Path) -> Result<Self> {
        Self::start_with(user, program, args, &[], log)
    }

    /// The same, with environment variables.
    pub fn start_with(
        user: &str,
        program: &Path,
        args: &[&str],
        env: &[(&str, &str)],
        log: &Path,
    ) -> Result<Self> {
        let output = File::options().create(true).append(true).open(log)?;
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL"]);
        if user != "root" {
            command.args(["--reuid", user, "--regid", user, "--init-groups"]);
        }
        command
            .arg("--")
            .arg(program)
            .args(args)
            .envs(env.iter().copied());
        command
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output);
        let (reply, started) = channel();
        STARTER.lock().unwrap().send((command, reply))?;
        let child = started
            .recv()?
            .with_context(|| format!("cannot start {}", program.display()))?;
        Ok(Self {
            child,
            log: log.to_owned(),
            name: program.display().to_string(),
        })
    }

    /// Waits until `ready` says so; fails with the end of the log if the server ends before, or after 30 s.
    pub fn wait_until(&mut self, what: &str, mut ready: impl FnMut() -> bool) -> Result<()> {
        const STEP: Duration = Duration::from_millis(10);
        for _ in 0..3000 {
            if ready() {
                return Ok(());
            }
            if let Some(status) = self.child.try_wait()? {
                bail!(
                    "{} ended with {status} before {what}:\n{}",
                    self.name,
                    self.log_end()
                );
            }
            thread::sleep(STEP);
        }
        bail!(
            "{} is not ready ({what}) after 30 s:\n{}",
            self.name,
            self.log_end()
        )
    }

    /// The same, asking by a future.
    pub async fn wait_until_async(&mut self, what: &str, ready: impl AsyncFn() -> bool) -> Result<()> {
        const LIMIT: Duration = Duration::from_secs(60);
        const STEP: Duration = Duration::from_millis(20);
        let begun = tokio::time::Instant::now();
        while !ready().await {
            if let Some(status) = self.child.try_wait()? {
                let log = self.log_end();
                bail!("{} ended with {status} before {what}:\n{log}", self.name);
            }
            if begun.elapsed() > LIMIT {
                let log = self.log_end();
                bail!("{} is not ready ({what}) after {LIMIT:?}:\n{log}", self.name);
            }
            tokio::time::sleep(STEP).await;
        }
        Ok(())
    }

    /// The process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Whether it still runs.
    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Sends a signal by name, such as `TERM` or `STOP`.
    pub fn signal(&self, name: &str) -> Result<()> {
        let status = Command::new("kill")
            .args(["-s", name, &self.pid().to_string()])
            .status()?;
        if status.success() {
            Ok(())
        } else {
            bail!("kill -s {name} {} failed", self.pid())
        }
    }

    /// Waits for its end, at most 30 s.
    pub fn wait(&mut self) -> Result<ExitStatus> {
        for _ in 0..3000 {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            thread::sleep(Duration::from_millis(10));
        }
        bail!("{} did not end within 30 s:\n{}", self.name, self.log_end())
    }

    /// Kills it at once and waits for its end.
    pub fn kill(&mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Everything it has printed.
    #[must_use]
    pub fn log(&self) -> String {
        std::fs::read(&self.log)
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
            .unwrap_or_default()
    }

    fn log_end(&self) -> String {
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(30)..].join("\n")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// A port of the loopback address that was free a moment ago.
pub fn free_port() -> Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

/// Whether something listens on a port of the loopback address.
#[must_use]
pub fn listens(port: u16) -> bool {
    TcpStream::connect_timeout(
        &SocketAddr::from(([127, 0, 0, 1], port)),
        Duration::from_millis(200),
    )
    .is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_ends_too_early_is_reported_with_its_log() {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("log");
        let mut server = Server::start("root", Path::new("sh"), &["-c", "echo why; exit 3"], &log).unwrap();
        let error = server.wait_until("never", || false).unwrap_err().to_string();
        assert!(
            error.contains("exit status: 3") && error.contains("why"),
            "{error}"
        );
    }
}
