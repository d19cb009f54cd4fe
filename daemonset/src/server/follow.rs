//! The task that reads the file of servers again when it changes.

use std::collections::BTreeMap;
use std::path::PathBuf;

use esi_core::names::ServerName;
use esi_core::{Classify as _, chain};
use esi_runtime::Changes;

use super::error::ServersError;
use super::file::Files;
use super::servers::Servers;

/// Keeps [`Servers`] fresh, as one task.
#[derive(Debug)]
#[must_use = "servers that nobody follows never change"]
pub struct Follower {
    files: Files,
    servers: Servers,
    seen: Seen,
}

/// What was read: compared to notice a change, so that a broken file is told of once.
type Seen = Result<BTreeMap<ServerName, esi_client::Server>, String>;

/// Reads the file of servers. The daemon's own token for a server is the file of that name in `tokens`, unless the
/// server has a `tokenFile`. Must be called on a runtime.
///
/// # Errors
/// See [`ServersError`].
pub fn open(servers: PathBuf, tokens: PathBuf) -> Result<(Servers, Follower), ServersError> {
    let files = Files { servers, tokens };
    let described = files.read()?;
    let servers = Servers::new(described.clone())?;
    let follower = Follower {
        files,
        servers: servers.clone(),
        seen: Ok(described),
    };
    Ok((servers, follower))
}

impl Follower {
    /// Runs until it is dropped.
    pub async fn run(mut self) {
        let changes = Changes::of("servers", [self.files.servers.as_path()]);
        // Looks first, then waits: the file may have changed between its first reading and the watch.
        loop {
            let files = self.files.clone();
            let read = tokio::task::spawn_blocking(move || files.read());
            // It can only fail by a panic: a defect, and the end of this task, which its owner notices.
            let Ok(described) = read.await else {
                return;
            };
            self.take(described);
            changes.next().await;
        }
    }

    #[cfg(test)]
    pub(super) fn look(&mut self) {
        self.take(self.files.read());
    }

    /// Publishes what is new and good; says what is new and broken.
    fn take(&mut self, read: Result<BTreeMap<ServerName, esi_client::Server>, ServersError>) {
        let seen = read.as_ref().map(Clone::clone).map_err(|error| chain(error));
        if seen == self.seen {
            return;
        }
        self.seen = seen;
        match read.and_then(|described| self.servers.replace(described)) {
            Ok(()) => {
                let servers = self.servers.all().len();
                tracing::info!(event = "servers_changed", servers, "a new file of servers holds");
            }
            Err(error) => tracing::warn!(
                kind = error.kind(),
                error = chain(&error),
                "the file of servers could not be reloaded: the last good one stays"
            ),
        }
    }
}
