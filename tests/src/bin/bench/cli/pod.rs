//! What a pod gives its init container.

use std::path::Path;
use std::process::Command;

use anyhow::Result;
use serde_json::json;
use tempfile::TempDir;

use crate::server::FREE;

/// In memory, as a pod's volumes and its projected token are: a disk's file system searches for a free inode in every
/// volume that is made here, longer with each one that was removed before.
const MEMORY: &str = "/dev/shm";

/// A volume for the binding `db`, a place for env files, and the pod's token.
pub(super) struct Folders(TempDir);

impl Folders {
    pub(super) fn new(token: &str) -> Result<Self> {
        let dir = tempfile::tempdir_in(MEMORY)?;
        std::fs::create_dir_all(dir.path().join("volumes/db"))?;
        std::fs::create_dir(dir.path().join("env"))?;
        std::fs::write(dir.path().join("token"), token)?;
        Ok(Self(dir))
    }

    /// `esi-cli` with an environment as the webhook writes it: one binding with two files and two variables.
    pub(super) fn command(&self, binary: &Path, url: &str, ca: &str) -> Command {
        let generator: Vec<&str> = FREE.split('/').collect();
        let plans = json!([{
            "version": 1, "binding": "db",
            "source": { "generator": {
                "kind": generator[0], "namespace": generator[1], "name": generator[2]
            } },
            "env": [
                { "name": "DB_USER", "key": "username" },
                { "name": "DB_PASS", "key": "password" }
            ],
            "files": [
                { "path": "conf/db.json", "format": "json" },
                { "path": "password", "key": "password", "mode": "0400" }
            ]
        }]);
        let servers = json!({ "default": { "url": url, "ca": ca, "audience": "esi" } });
        let mut command = Command::new(binary);
        command
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("ESI_PLANS", plans.to_string())
            .env("ESI_SERVERS", servers.to_string())
            .env("ESI_TOKEN_FILE", self.0.path().join("token"))
            .env("ESI_VOLUMES", self.0.path().join("volumes"))
            .env("ESI_ENV_DIR", self.0.path().join("env"))
            .env("ESI_DEADLINE", "20s");
        command
    }
}
