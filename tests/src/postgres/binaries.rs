//! Where the servers' programs come from.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

/// The jar of embedded-postgres-binaries: the newest minor release of 17 known to work here.
const NEWER: &str = "17.6.0";

/// Which PostgreSQL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Release {
    /// The one of the system's package (15 on Debian 12).
    System,
    /// 17, from Maven Central: PostgreSQL 16 changed what CREATEROLE may do.
    Newer,
}

impl Release {
    /// The folder with `initdb` and `postgres`; `dir` is where what is not installed is unpacked.
    pub(super) fn binaries(self, dir: &Path) -> Result<PathBuf> {
        match self {
            Self::System => system(),
            Self::Newer => newer(dir),
        }
    }
}

fn system() -> Result<PathBuf> {
    let mut found: Vec<(u32, PathBuf)> = fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .filter_map(|entry| {
            let entry = entry.ok()?;
            let release = entry.file_name().to_str()?.parse().ok()?;
            Some((release, entry.path().join("bin")))
        })
        .collect();
    found.sort();
    let path = std::env::var_os("PATH").unwrap_or_default();
    found
        .into_iter()
        .rev()
        .map(|(_, bin)| bin)
        .chain(std::env::split_paths(&path))
        .find(|bin| bin.join("postgres").exists() && bin.join("initdb").exists())
        .context("there is no PostgreSQL server here: install the package postgresql")
}

/// Unpacks the cached jar, which is fetched with Maven the first time.
fn newer(dir: &Path) -> Result<PathBuf> {
    let (artifact, archive) = match std::env::consts::ARCH {
        "x86_64" => ("linux-amd64", "postgres-linux-x86_64.txz"),
        "aarch64" => ("linux-arm64v8", "postgres-linux-arm_64.txz"),
        other => bail!("embedded-postgres-binaries has no server for {other}"),
    };
    let name = format!("embedded-postgres-binaries-{artifact}");
    let cache = cache()?;
    let jar = cache.join(format!("{name}-{NEWER}.jar"));
    if !jar.exists() {
        // Into a folder of one's own and then by a rename: another test process may do the same.
        let staging = tempfile::tempdir_in(&cache)?;
        run(Command::new("mvn")
            .args(["-q", "-B", "dependency:copy"])
            .arg(format!("-Dartifact=io.zonky.test.postgres:{name}:{NEWER}:jar"))
            .arg(format!("-DoutputDirectory={}", staging.path().display())))
        .with_context(|| {
            format!(
                "PostgreSQL 17 is needed to test the rules that came with 16: install Maven, or put {name}-{NEWER}.jar into {}",
                cache.display()
            )
        })?;
        let fetched = staging.path().join(jar.file_name().unwrap_or(OsStr::new("")));
        fs::rename(fetched, &jar)?;
    }
    let home = dir.join("postgresql");
    fs::create_dir(&home)?;
    run(Command::new("unzip")
        .args(["-q", "-o"])
        .arg(&jar)
        .arg(archive)
        .arg("-d")
        .arg(dir))?;
    run(Command::new("tar")
        .arg("-xJf")
        .arg(dir.join(archive))
        .arg("-C")
        .arg(&home))?;
    Ok(home.join("bin"))
}

fn cache() -> Result<PathBuf> {
    let base = std::env::var_os("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache")))
        .context("neither XDG_CACHE_HOME nor HOME is set")?;
    let cache = base.join("esi");
    fs::create_dir_all(&cache)?;
    Ok(cache)
}

fn run(command: &mut Command) -> Result<()> {
    let output = command
        .output()
        .with_context(|| format!("cannot run {}", command.get_program().display()))?;
    if output.status.success() {
        return Ok(());
    }
    bail!(
        "{} failed with {}:\n{}{}",
        command.get_program().display(),
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}
