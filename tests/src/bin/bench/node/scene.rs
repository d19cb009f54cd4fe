//! A daemon on a kubelet root of its own, with its records on the disk that holds the build.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use esi_tests::federation::binary;
use esi_tests::node::{Daemon, Kubelet, Volume};
use tempfile::TempDir;

/// A running daemon that knows its kubelet.
pub(super) struct Scene {
    pub(super) daemon: Daemon,
    pub(super) kubelet: Kubelet,
    state: TempDir,
}

impl Scene {
    /// Starts a daemon that logs as it is shipped.
    pub(super) async fn start(flags: &[&str]) -> Result<Self> {
        let build = binary("esi-node")?;
        let folder = build.parent().context("a binary is in a folder")?;
        let state = tempfile::Builder::new().prefix("bench-").tempdir_in(folder)?;
        let path = state.path().display().to_string();
        let mut daemon = Daemon::prepare()?.with(&["--state-dir", &path]).with(flags);
        daemon.run()?;
        let kubelet = daemon.register().await?;
        Ok(Self {
            daemon,
            kubelet,
            state,
        })
    }

    /// Where the records are.
    pub(super) fn state(&self) -> &Path {
        self.state.path()
    }

    pub(super) fn root(&self) -> PathBuf {
        self.daemon.root()
    }

    pub(super) fn pid(&self) -> Result<u32> {
        Ok(self.daemon.process()?.pid())
    }

    /// Volumes as kubelet has them when it calls: with a directory each.
    pub(super) fn prepare(&self, volumes: &[Volume]) -> Result<()> {
        for volume in volumes {
            self.kubelet.make_directory(volume)?;
        }
        Ok(())
    }

    /// That each volume is mounted, once.
    pub(super) fn check_mounts(&self, volumes: &[Volume]) -> Result<()> {
        let table = self.daemon.mounts("/kubernetes.io~csi/")?;
        for volume in volumes {
            let target = volume.target(&self.root()).display().to_string();
            // Its place is the fifth field (proc(5)).
            let is_there = |line: &&String| line.split(' ').nth(4) == Some(&target);
            let count = table.iter().filter(is_there).count();
            ensure!(count == 1, "{count} mounts at {target}");
        }
        ensure!(table.len() == volumes.len(), "{} mounts", table.len());
        Ok(())
    }
}

/// Volumes that init containers fill, of a pod each.
pub(super) fn init_volumes(count: usize) -> Vec<Volume> {
    let pod = || esi_core::LeaseId::random().to_string();
    (0..count).map(|_| Volume::init(&pod())).collect()
}

/// What kind of file system a folder is on.
pub(super) fn file_system(folder: &Path) -> Result<String> {
    let mut command = Command::new("findmnt");
    command
        .args(["--noheadings", "--output", "FSTYPE", "--target"])
        .arg(folder);
    let output = command.output()?;
    ensure!(
        output.status.success(),
        "{command:?} ended with {}",
        output.status
    );
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}
