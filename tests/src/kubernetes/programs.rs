//! The programs of the control plane, built from pinned sources.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use anyhow::{Context as _, Result, ensure};

/// Where they are; builds them first, minutes the first time.
pub(super) fn directory() -> Result<PathBuf> {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    if let Some(built) = BUILT.get() {
        return Ok(built.clone());
    }
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/kubernetes/build");
    let output = Command::new(script)
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| format!("cannot run {script}"))?;
    ensure!(
        output.status.success(),
        "Kubernetes cannot be built: see the end of its output"
    );
    let directory = PathBuf::from(String::from_utf8(output.stdout)?.trim());
    Ok(BUILT.get_or_init(|| directory).clone())
}
