//! What the story is told with: steps that are timed, and a program under `esi-cli run`.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

use anyhow::{Context, Result, ensure};
use esi_tests::federation::{Federation, binary};
use tokio::time::Instant;

/// Prints each step when it is done, with the time it took.
#[derive(Debug)]
pub(crate) struct Steps {
    number: u32,
    since: Instant,
}

impl Steps {
    /// The clock starts.
    #[must_use]
    pub(crate) fn begin() -> Self {
        Self {
            number: 0,
            since: Instant::now(),
        }
    }

    /// One step is done.
    pub(crate) fn done(&mut self, what: &str) {
        self.number += 1;
        println!(
            "{}. {what}  [{:.0} ms]",
            self.number,
            self.since.elapsed().as_secs_f64() * 1000.0
        );
        self.since = Instant::now();
    }
}

/// The application: a program that logs in with what it was given, says so, and waits for a word to end.
#[derive(Debug)]
pub(crate) struct App {
    child: Child,
    output: BufReader<ChildStdout>,
}

impl App {
    /// Starts `script` under `esi-cli run`.
    pub(crate) fn start(federation: &Federation, token: &Path, volumes: &Path, script: &str) -> Result<Self> {
        let mut child = Command::new(binary("esi-cli")?)
            .args(["run", "--server-url", &federation.url(), "--binding", "db"])
            .arg("--ca")
            .arg(federation.ca())
            .arg("--token-file")
            .arg(token)
            .arg("--volumes")
            .arg(volumes)
            .args([
                "--generator",
                "PostgreSQL/platform/shop",
                "--env",
                "PGUSER=username,PGPASSWORD=password",
            ])
            .args(["--file", "credential.json=json,password=.password"])
            .args(["--", "sh", "-c", script])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot start esi-cli")?;
        let output = BufReader::new(child.stdout.take().context("its output is not there")?);
        Ok(Self { child, output })
    }

    /// The next line it prints.
    pub(crate) fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        self.output.read_line(&mut line)?;
        ensure!(
            !line.is_empty(),
            "the application ended too early; its message is above"
        );
        Ok(line.trim_end().to_owned())
    }

    /// Tells it to end, and waits until `esi-cli` has ended too.
    pub(crate) fn end(&mut self) -> Result<()> {
        let mut input = self.child.stdin.take().context("it was told already")?;
        input.write_all(b"end\n")?;
        let status = self.child.wait()?;
        ensure!(status.success(), "the application ended with {status}");
        Ok(())
    }
}

impl Drop for App {
    fn drop(&mut self) {
        // It may have ended by itself.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}
