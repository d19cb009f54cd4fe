//! One server, one token, one directory; and the real binary run in it.

use std::ffi::{OsStr, OsString};
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};
use tokio::time::timeout;

use esi_client::testing::Fake;

/// Longer than anything takes here.
const PATIENCE: Duration = Duration::from_secs(60);

/// A plan of the binding `db` with files and variables.
pub(crate) const FILES_AND_VARIABLES: &str = r#"[{"version":1,"binding":"db",
 "source":{"generator":{"kind":"Fake","namespace":"demo","name":"one"}},"ttl":"10m",
 "env":[{"name":"DB_USER","key":"username"},{"name":"DB_PASS","key":"password"}],
 "files":[{"path":"conf/db.json","format":"json"},{"path":"password","key":"password","mode":"0400"}]}]"#;
/// A plan of the binding `db` with one file.
pub(crate) const ONE_FILE: &str = r#"[{"version":1,"binding":"db",
 "source":{"generator":{"kind":"Fake","namespace":"demo","name":"one"}},
 "files":[{"path":"password","key":"password"}]}]"#;
/// A plan of the binding `db` with one variable.
pub(crate) const ONE_VARIABLE: &str = r#"[{"version":1,"binding":"db",
 "source":{"generator":{"kind":"Fake","namespace":"demo","name":"one"}},
 "env":[{"name":"DB_PASS","key":"password"}]}]"#;

/// A plan of the binding `db` whose variables are for `exec` to start a command with.
pub(crate) const ONE_EXEC_VARIABLE: &str = r#"[{"version":1,"binding":"db",
 "source":{"generator":{"kind":"Fake","namespace":"demo","name":"one"}},"envMethod":"exec",
 "env":[{"name":"DB_PASS","key":"password"}]}]"#;

/// The plans with leases of one second, which hurry the first report: no server has asked for it yet.
pub(crate) fn short(plans: &str) -> String {
    plans
        .replace(r#""ttl":"10m","#, "")
        .replace(r#""source""#, r#""ttl":"1s","source""#)
}

/// A token with these claims. Nobody here checks its signature.
pub(crate) fn token(claims: &Value) -> String {
    format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(claims.to_string()))
}

/// A pod's token for the audience `esi`.
pub(crate) fn pod_token() -> String {
    token(&json!({"aud": ["esi"], "kubernetes.io": {"namespace": "shop", "pod": {"name": "p", "uid": "u"}}}))
}

pub(crate) struct World {
    pub(crate) fake: Fake,
    directory: TempDir,
}

impl World {
    /// With a pod's token, and the volume `db` and an env directory as kubelet would have mounted them.
    pub(crate) async fn new() -> Self {
        let world = Self {
            fake: Fake::start().await,
            directory: tempfile::tempdir().unwrap(),
        };
        std::fs::create_dir_all(world.path("volumes/db")).unwrap();
        std::fs::create_dir(world.path("env")).unwrap();
        world.write("token", pod_token());
        world
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, content).unwrap();
        path
    }

    pub(crate) fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    /// The only server, as `ESI_SERVERS`.
    pub(crate) fn servers(&self) -> Value {
        json!({"default": {"url": self.fake.url, "ca": self.fake.authority.pem(), "audience": "esi"}})
    }

    /// Any other program.
    pub(crate) fn command(&self, words: &[&str]) -> Cli {
        let mut command = Command::new(words[0]);
        command
            .args(&words[1..])
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap());
        command.current_dir(self.directory.path());
        Cli { command }
    }

    /// `esi-cli <verb>` told everything by its environment, as in a pod.
    pub(crate) fn cli(&self, verb: &str, plans: &str) -> Cli {
        let mut command = Command::new(env!("CARGO_BIN_EXE_esi-cli"));
        command
            .arg(verb)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap())
            .env("ESI_PLANS", plans)
            .env("ESI_SERVERS", self.servers().to_string())
            .env("ESI_TOKEN_FILE", self.path("token"))
            .env("ESI_VOLUMES", self.path("volumes"))
            .env("ESI_ENV_DIR", self.path("env"))
            .env("ESI_DEADLINE", "20s")
            .current_dir(self.directory.path());
        Cli { command }
    }

    /// `esi-cli run` with this command.
    pub(crate) fn run(&self, plans: &str, command: &[&str]) -> Cli {
        self.cli("run", plans).arg("--").args(command)
    }
}

/// A program, mostly the binary, not started yet.
pub(crate) struct Cli {
    command: Command,
}

impl Cli {
    pub(crate) fn arg(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.command.arg(argument);
        self
    }

    pub(crate) fn args(mut self, arguments: &[&str]) -> Self {
        self.command.args(arguments);
        self
    }

    pub(crate) fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    pub(crate) fn without(mut self, name: &str) -> Self {
        self.command.env_remove(name);
        self
    }

    /// Another build of the binary, if there is one.
    pub(crate) fn by(mut self, binary: Option<&Path>) -> Self {
        let original = self.command.as_std();
        let mut command = Command::new(binary.unwrap_or(Path::new(original.get_program())));
        command.args(original.get_args()).env_clear();
        for (name, value) in original.get_envs() {
            command.env(name, value.unwrap());
        }
        command.current_dir(original.get_current_dir().unwrap());
        self.command = command;
        self
    }

    /// The binary started by a shell that runs `prelude` first.
    pub(crate) fn after(mut self, prelude: &str) -> Self {
        let original = self.command.as_std();
        let mut shell = Command::new("/bin/sh");
        shell.arg("-c").arg(format!("{prelude}; exec \"$@\"")).arg("sh");
        shell
            .arg(original.get_program())
            .args(original.get_args())
            .env_clear();
        for (name, value) in original.get_envs() {
            shell.env(name, value.unwrap());
        }
        shell.current_dir(original.get_current_dir().unwrap());
        self.command = shell;
        self
    }

    /// Starts it as the leader of a session with a terminal, whose other end is returned.
    pub(crate) fn start_on_terminal(mut self) -> (Running, std::fs::File) {
        let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
        grantpt(&ours).unwrap();
        unlockpt(&ours).unwrap();
        let name = ptsname(&ours, Vec::new()).unwrap().into_string().unwrap();
        let theirs = std::fs::File::options()
            .read(true)
            .write(true)
            .open(name)
            .unwrap();
        let original = self.command.as_std();
        let mut leader = Command::new("setsid");
        leader
            .arg("--ctty")
            .arg(original.get_program())
            .args(original.get_args())
            .env_clear();
        for (name, value) in original.get_envs() {
            leader.env(name, value.unwrap());
        }
        leader.current_dir(original.get_current_dir().unwrap());
        self.command = leader;
        (self.start_with(theirs.into()), ours.into())
    }

    pub(crate) fn start(self) -> Running {
        self.start_with(Stdio::piped())
    }

    fn start_with(mut self, stdin: Stdio) -> Running {
        self.command
            .stdin(stdin)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        let mut child = self.command.spawn().unwrap();
        Running {
            stdin: child.stdin.take(),
            stdout: BufReader::new(child.stdout.take().unwrap()).lines(),
            stderr: child.stderr.take().unwrap(),
            child,
        }
    }

    /// Runs it to its end.
    pub(crate) async fn finish(self) -> Finished {
        self.start().finish().await
    }
}

/// The binary, running.
pub(crate) struct Running {
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: Lines<BufReader<ChildStdout>>,
    stderr: ChildStderr,
}

impl Running {
    pub(crate) fn pid(&self) -> u32 {
        self.child.id().unwrap()
    }

    pub(crate) fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_raw(self.pid().try_into().unwrap()).unwrap();
        rustix::process::kill_process(pid, signal).unwrap();
    }

    /// The next line on its standard output.
    pub(crate) async fn line(&mut self) -> String {
        match timeout(PATIENCE, self.stdout.next_line()).await {
            Ok(line) => line
                .unwrap()
                .unwrap_or_else(|| panic!("standard output has ended")),
            Err(_elapsed) => panic!("no line came"),
        }
    }

    pub(crate) async fn say(&mut self, line: &str) {
        let line = format!("{line}\n");
        self.stdin
            .as_mut()
            .unwrap()
            .write_all(line.as_bytes())
            .await
            .unwrap();
    }

    /// Waits for the process alone: others may still have its standard output.
    pub(crate) async fn status(&mut self) -> ExitStatus {
        timeout(PATIENCE, self.child.wait())
            .await
            .expect("it does not end")
            .unwrap()
    }

    /// Closes its standard input, reads all that it writes and waits for its end.
    pub(crate) async fn finish(mut self) -> Finished {
        drop(self.stdin.take());
        let mut stdout = Vec::new();
        let mut stderr = String::new();
        let mut reader = self.stdout.into_inner();
        let work = async {
            let (out, err) = tokio::join!(
                reader.read_to_end(&mut stdout),
                self.stderr.read_to_string(&mut stderr)
            );
            out.unwrap();
            err.unwrap();
            self.child.wait().await.unwrap()
        };
        let status = timeout(PATIENCE, work).await.expect("it does not end");
        Finished {
            code: status.code(),
            signal: status.signal(),
            stdout,
            stderr,
        }
    }
}

/// How it ended, and what it wrote.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) code: Option<i32>,
    pub(crate) signal: Option<i32>,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: String,
}

impl Finished {
    pub(crate) fn stdout(&self) -> &str {
        std::str::from_utf8(&self.stdout).unwrap()
    }

    /// That it ended with `code`, and wrote none of what the server minted.
    #[track_caller]
    pub(crate) fn ended_with(&self, code: i32, world: &World) -> &Self {
        assert_eq!(self.code, Some(code), "{self:#?}");
        for password in world.fake.passwords() {
            assert!(!self.stderr.contains(&password), "a secret is on standard error");
            let stdout = String::from_utf8_lossy(&self.stdout);
            assert!(!stdout.contains(&password), "a secret is on standard output");
        }
        self
    }

    /// That standard error has every one of `parts`.
    #[track_caller]
    pub(crate) fn said(&self, parts: &[&str]) -> &Self {
        for part in parts {
            assert!(self.stderr.contains(part), "not said: {part}\n{}", self.stderr);
        }
        self
    }
}

/// `text` in the form of one argument.
pub(crate) fn os(bytes: &[u8]) -> OsString {
    std::os::unix::ffi::OsStringExt::from_vec(bytes.to_vec())
}

/// Names below a directory that a workload would see.
pub(crate) fn visible(directory: &Path) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| !name.starts_with(".."))
        .collect();
    names.sort();
    names
}
