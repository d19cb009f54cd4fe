//! A pod's surroundings for `esi-cli`, and a command under way.

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Output, Stdio};

use esi_tests::federation::{Federation, binary};
use esi_tests::issuer::{AUDIENCE, Pod};
use serde_json::{Value, json};
use tempfile::TempDir;

/// One pod: its token, its volumes, its env directory.
pub(super) struct Cli {
    dir: TempDir,
    url: String,
    ca: PathBuf,
}

impl Cli {
    pub(super) fn new(federation: &Federation) -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("token"), federation.issuer.token(&Pod::new())).unwrap();
        for name in ["volumes", "env", "bin"] {
            std::fs::create_dir(dir.path().join(name)).unwrap();
        }
        Self {
            dir,
            url: federation.url(),
            ca: federation.ca(),
        }
    }

    fn command(&self, verb: &str) -> Command {
        let mut command = Command::new(binary("esi-cli").unwrap());
        command
            .arg(verb)
            .arg("--token-file")
            .arg(self.dir.path().join("token"));
        command.arg("--volumes").arg(self.dir.path().join("volumes"));
        command.args(["--deadline", "20s"]);
        command
    }

    fn one_plan(&self, verb: &str, flags: &[&str]) -> Command {
        let mut command = self.command(verb);
        command
            .args(["--server-url", &self.url])
            .arg("--ca")
            .arg(&self.ca)
            .args(flags);
        command
    }

    /// `esi-cli run` with one plan, stated by flags.
    pub(super) fn run(&self, flags: &[&str]) -> Command {
        self.one_plan("run", flags)
    }

    /// `esi-cli exec` with one plan, stated by flags.
    pub(super) fn exec(&self, flags: &[&str]) -> Command {
        self.one_plan("exec", flags)
    }

    /// `esi-cli init` as the webhook would configure it.
    pub(super) fn init(&self, plans: &Value) -> Command {
        for plan in plans.as_array().unwrap() {
            std::fs::create_dir_all(self.volume(plan["binding"].as_str().unwrap())).unwrap();
        }
        let ca = self.ca();
        let servers = json!({ "default": { "url": self.url, "ca": ca, "audience": AUDIENCE } });
        let mut command = self.command("init");
        command.arg("--env-dir").arg(self.dir.path().join("env"));
        command
            .env("ESI_PLANS", plans.to_string())
            .env("ESI_SERVERS", servers.to_string());
        command
    }

    /// The copy of `esi-cli` that `init` left for the application's containers, starting a command with the
    /// variables of a binding: as the webhook would write it.
    pub(super) fn exec_from(&self, binding: &str) -> Command {
        let mut command = Command::new(self.bin().join("esi-cli"));
        command
            .args(["exec", "--environ"])
            .arg(self.volume(binding).join(".environ"));
        command
    }

    /// The pod's own directory.
    pub(super) fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// The server.
    pub(super) fn url(&self) -> &str {
        &self.url
    }

    /// What its certificate is checked against, in PEM.
    pub(super) fn ca(&self) -> String {
        std::fs::read_to_string(&self.ca).unwrap()
    }

    /// Where `init` copies `esi-cli` to.
    pub(super) fn bin(&self) -> PathBuf {
        self.dir.path().join("bin")
    }

    pub(super) fn volume(&self, binding: &str) -> PathBuf {
        self.dir.path().join("volumes").join(binding)
    }

    pub(super) fn env_file(&self, binding: &str) -> PathBuf {
        self.dir.path().join("env").join(format!("{binding}.env"))
    }

    /// A file of the binding that flags state.
    pub(super) fn file(&self, path: &str) -> PathBuf {
        self.volume("default").join(path)
    }
}

/// A command under `esi-cli`, which waits for a line on its standard input. Killed when dropped.
pub(super) struct Running {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Running {
    pub(super) fn start(mut cli: Command, script: &str) -> Self {
        cli.args(["--", "sh", "-c", script])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        // A group of its own, so that nothing of it outlives the test.
        let mut child = cli.process_group(0).spawn().unwrap();
        let input = child.stdin.take();
        let output = BufReader::new(child.stdout.take().unwrap());
        Self { child, input, output }
    }

    pub(super) fn output(mut cli: Command, script: &str) -> Output {
        cli.args(["--", "sh", "-c", script])
            .stdin(Stdio::null())
            .output()
            .unwrap()
    }

    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The next line of its output.
    pub(super) fn line(&mut self) -> String {
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    pub(super) fn signal(&self, name: &str) {
        let status = Command::new("kill")
            .args(["-s", name, &self.pid().to_string()])
            .status()
            .unwrap();
        assert!(status.success());
    }

    /// Lets it end.
    pub(super) fn finish(&mut self) -> ExitStatus {
        if let Some(mut input) = self.input.take() {
            // It may have ended already.
            input.write_all(b"end\n").ok();
        }
        self.child.wait().unwrap()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        Command::new("kill")
            .args(["-s", "KILL", "--", &format!("-{}", self.pid())])
            .output()
            .ok();
        self.child.wait().ok();
    }
}
