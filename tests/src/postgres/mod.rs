//! Real PostgreSQL servers: Debian's, and a newer one from Maven Central.
//!
//! Each listens on a port of the loopback address with TLS (a CA of its own, a certificate for `localhost`), keeps
//! its data in a temporary directory without fsync, and logs every statement. [`Postgres::shared`] is one server for
//! all tests of a binary, [`Postgres::start`] one for a test that stops it. A test gets a database, an owner, an admin
//! and a role to grant by [`Postgres::fixture`].

mod binaries;
mod fixture;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, OnceLock};

use anyhow::{Context, Result, bail};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use sqlx::postgres::{PgConnectOptions, PgConnection, PgSslMode};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Row as _};
use tempfile::TempDir;

use crate::process::{Server, free_port, listens};
use crate::scratch;

pub use binaries::Release;
pub use fixture::Fixture;

/// The superuser's password.
const SUPERUSER_PASSWORD: &str = "only-for-tests";

/// A running server.
#[derive(Debug)]
pub struct Postgres {
    server: Mutex<Option<Server>>,
    dir: TempDir,
    bin: PathBuf,
    port: u16,
    ca: String,
    /// Which release it is.
    pub release: Release,
}

impl Postgres {
    /// The one server of its release that all tests of this binary share.
    pub fn shared(release: Release) -> &'static Self {
        static SHARED: [OnceLock<Postgres>; 2] = [const { OnceLock::new() }; 2];
        SHARED[release as usize].get_or_init(|| Self::start(release).unwrap())
    }

    /// A server of one's own, to stop or to fill.
    pub fn start(release: Release) -> Result<Self> {
        let dir = scratch::directory("postgres")?;
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755))?;
        let bin = release.binaries(dir.path())?;
        let ca = certificates(dir.path())?;
        let this = Self {
            server: Mutex::new(None),
            bin,
            port: free_port()?,
            ca,
            dir,
            release,
        };
        this.init()?;
        this.start_again()?;
        Ok(this)
    }

    /// Starts it again after [`Postgres::stop`], on the same port with the same data.
    pub fn start_again(&self) -> Result<()> {
        let dir = self.dir.path().display().to_string();
        let settings = [
            format!("port={}", self.port),
            "listen_addresses=127.0.0.1".to_owned(),
            format!("unix_socket_directories={dir}/run"),
            "fsync=off".to_owned(),
            "full_page_writes=off".to_owned(),
            "max_connections=60".to_owned(),
            "shared_buffers=16MB".to_owned(),
            "log_statement=all".to_owned(),
            "log_min_duration_statement=0".to_owned(),
            "ssl=on".to_owned(),
            format!("ssl_cert_file={dir}/server.crt"),
            format!("ssl_key_file={dir}/server.key"),
        ];
        let data = format!("{dir}/data");
        let mut args = vec!["-D", data.as_str()];
        for setting in &settings {
            args.extend(["-c", setting.as_str()]);
        }
        let log = self.dir.path().join("log");
        let mut server = Server::start(user(), &self.bin.join("postgres"), &args, &log)?;
        let ready_file = self.dir.path().join("data/postmaster.pid");
        server.wait_until("it accepts connections", || {
            // The eighth line says so; the port alone is open while the server still recovers.
            listens(self.port)
                && fs::read_to_string(&ready_file)
                    .is_ok_and(|text| text.lines().nth(7).is_some_and(|line| line.trim() == "ready"))
        })?;
        *self.server.lock().unwrap() = Some(server);
        Ok(())
    }

    /// Stops it at once (SIGINT: sessions are cut, data is kept).
    pub fn stop(&self) -> Result<()> {
        let Some(mut server) = self.server.lock().unwrap().take() else {
            bail!("it does not run")
        };
        server.signal("INT")?;
        server.wait()?;
        Ok(())
    }

    /// Everything it has logged, every statement among it.
    #[must_use]
    pub fn log(&self) -> String {
        fs::read(self.dir.path().join("log"))
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
            .unwrap_or_default()
    }

    /// Its host, as its certificate names it.
    #[must_use]
    pub fn host(&self) -> &'static str {
        "localhost"
    }

    /// Its port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Its CA's certificate in PEM.
    #[must_use]
    pub fn ca(&self) -> &str {
        &self.ca
    }

    /// Connects as anybody.
    pub async fn connect(
        &self,
        database: &str,
        user: &str,
        password: &str,
    ) -> Result<PgConnection, sqlx::Error> {
        PgConnectOptions::new_without_pgpass()
            .host(self.host())
            .port(self.port)
            .database(database)
            .username(user)
            .password(password)
            .ssl_mode(PgSslMode::Prefer)
            .connect()
            .await
    }

    /// Connects as the superuser.
    pub async fn superuser(&self, database: &str) -> Result<PgConnection> {
        Ok(self.connect(database, "postgres", SUPERUSER_PASSWORD).await?)
    }

    /// Makes a database, its owner, an admin with the lowest privileges, and a role to grant: all new, so that tests
    /// do not meet.
    pub async fn fixture(&'static self) -> Result<Fixture> {
        Fixture::make(self).await
    }

    fn init(&self) -> Result<()> {
        let dir = self.dir.path();
        for name in ["data", "run"] {
            fs::create_dir(dir.join(name))?;
        }
        fs::write(dir.join("password"), SUPERUSER_PASSWORD)?;
        // The superuser is only we: without SCRAM, whose 4096 rounds a development build of the client feels.
        let hba = "host all postgres 127.0.0.1/32 trust\nhost all all 127.0.0.1/32 scram-sha-256\n";
        own(&[
            &dir.join("data"),
            &dir.join("run"),
            &dir.join("password"),
            &dir.join("server.key"),
        ])?;
        let mut initdb = as_user(&self.bin.join("initdb"));
        initdb
            .args([
                "--no-sync",
                "-U",
                "postgres",
                "-E",
                "UTF8",
                "--locale=C",
                "-A",
                "scram-sha-256",
            ])
            .arg("--pwfile")
            .arg(dir.join("password"))
            .arg("-D")
            .arg(dir.join("data"))
            .current_dir(dir);
        let output = initdb.output().context("cannot run initdb")?;
        if !output.status.success() {
            bail!("initdb failed:\n{}", String::from_utf8_lossy(&output.stderr));
        }
        fs::write(dir.join("data/pg_hba.conf"), hba)?;
        Ok(())
    }
}

/// Runs statements; the rows as text, NULL as an empty one.
pub async fn query(connection: &mut PgConnection, sql: &str) -> Result<Vec<Vec<String>>, sqlx::Error> {
    let rows = sqlx::raw_sql(AssertSqlSafe(sql.to_owned()))
        .fetch_all(connection)
        .await?;
    rows.iter()
        .map(|row| {
            (0..row.len())
                .map(|column| Ok(row.try_get::<Option<String>, _>(column)?.unwrap_or_default()))
                .collect()
        })
        .collect()
}

/// PostgreSQL refuses to run as root.
fn user() -> &'static str {
    if is_root() { "postgres" } else { "root" }
}

fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|it| std::os::unix::fs::MetadataExt::uid(&it) == 0)
}

fn as_user(program: &Path) -> Command {
    if is_root() {
        let mut command = Command::new("setpriv");
        command
            .args([
                "--reuid",
                "postgres",
                "--regid",
                "postgres",
                "--init-groups",
                "--",
            ])
            .arg(program);
        command
    } else {
        Command::new(program)
    }
}

/// Gives files to the user that the server runs as.
fn own(paths: &[&Path]) -> Result<()> {
    if is_root() {
        let status = Command::new("chown")
            .arg("postgres:postgres")
            .args(paths)
            .status()?;
        if !status.success() {
            bail!("chown to postgres failed: is there a user postgres?");
        }
    }
    Ok(())
}

/// Writes `server.crt` and `server.key`; the CA's certificate.
fn certificates(dir: &Path) -> Result<String> {
    let mut ca = CertificateParams::new(Vec::new())?;
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca_key = KeyPair::generate()?;
    let ca_certificate = ca.self_signed(&ca_key)?;
    let issuer = Issuer::new(ca, ca_key);
    let key = KeyPair::generate()?;
    let leaf = CertificateParams::new(vec!["localhost".to_owned()])?.signed_by(&key, &issuer)?;
    fs::write(dir.join("server.crt"), leaf.pem())?;
    fs::write(dir.join("server.key"), key.serialize_pem())?;
    fs::set_permissions(dir.join("server.key"), fs::Permissions::from_mode(0o600))?;
    Ok(ca_certificate.pem())
}

/// A number that no other test of this process has.
fn unique() -> u64 {
    static NEXT: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(1);
    NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed)
}
