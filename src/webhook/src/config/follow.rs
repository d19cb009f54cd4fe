//! The configuration of a running program: read from its file, read again when a file changes.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::ArcSwap;
use esi_core::{Classify as _, chain};
use esi_runtime::{Changes, files};

use super::judge::{Judged, judge};
use super::{ConfigError, Configuration};
use crate::metrics::Metrics;

/// The newest good configuration. Clones see the same.
#[derive(Debug, Clone)]
pub struct Current(Arc<ArcSwap<Configuration>>);

impl Current {
    /// One that never changes.
    #[must_use]
    pub fn fixed(configuration: Configuration) -> Self {
        Self(Arc::new(ArcSwap::from_pointee(configuration)))
    }

    /// What holds now.
    #[must_use]
    pub fn get(&self) -> Arc<Configuration> {
        self.0.load_full()
    }
}

/// What was read: compared to notice a change. Nothing is done with what was seen before, good or bad.
#[derive(Debug, PartialEq)]
struct Seen(Result<Configuration, String>);

/// Keeps a [`Current`] fresh, as one task.
#[derive(Debug)]
#[must_use = "a configuration that nobody follows never changes"]
pub struct Follower {
    path: PathBuf,
    current: Current,
    seen: Seen,
    ca_files: Vec<PathBuf>,
    metrics: Arc<Metrics>,
}

/// Reads the file. Relative names of CA files are looked for beside it.
///
/// # Errors
/// If it, or a CA file that it names, cannot be read or is not valid.
pub fn open(path: &Path, metrics: Arc<Metrics>) -> Result<(Current, Follower), ConfigError> {
    let Judged {
        configuration,
        ca_files,
    } = read(path)?;
    let current = Current::fixed(configuration.clone());
    let follower = Follower {
        path: path.to_owned(),
        current: current.clone(),
        seen: Seen(Ok(configuration)),
        ca_files,
        metrics,
    };
    Ok((current, follower))
}

fn read(path: &Path) -> Result<Judged, ConfigError> {
    let bytes = files::read(path).map_err(ConfigError::Unreadable)?;
    let text = String::from_utf8(bytes).map_err(|_not_utf8| ConfigError::NotText)?;
    let folder = path.parent().unwrap_or(Path::new(""));
    let mut judged = judge(&text, &|ca| read_ca(&folder.join(ca)))?;
    for ca in &mut judged.ca_files {
        *ca = folder.join(&*ca);
    }
    Ok(judged)
}

fn read_ca(path: &Path) -> Result<String, String> {
    let text = files::read(path).and_then(|bytes| String::from_utf8(bytes).map_err(io::Error::other));
    text.map_err(|error| format!("{} cannot be read: {error}", path.display()))
}

impl Follower {
    /// Runs until it is dropped.
    pub async fn run(mut self) {
        let mut changes = Changes::of("configuration", self.paths());
        // Looks first, then waits: a file may have changed between its first reading and the watch.
        loop {
            let path = self.path.clone();
            let looked = tokio::task::spawn_blocking(move || read(&path));
            // It can only fail by a panic: a defect, and the end of this task, which its owner notices.
            let Ok(result) = looked.await else {
                return;
            };
            self.take(result);
            changes.follow(self.paths());
            changes.next().await;
        }
    }

    fn paths(&self) -> impl Iterator<Item = &Path> {
        std::iter::once(&self.path)
            .chain(&self.ca_files)
            .map(PathBuf::as_path)
    }

    /// Publishes what is new and good; says what is new and broken.
    fn take(&mut self, result: Result<Judged, ConfigError>) {
        let seen = match &result {
            Ok(judged) => Seen(Ok(judged.configuration.clone())),
            Err(error) => Seen(Err(chain(error))),
        };
        if seen == self.seen {
            return;
        }
        self.seen = seen;
        self.metrics.config_read(result.is_ok());
        match result {
            Ok(Judged {
                configuration,
                ca_files,
            }) => {
                self.ca_files = ca_files;
                let servers = configuration.servers.len();
                self.current.0.store(Arc::new(configuration));
                tracing::info!(event = "configured", servers, "a new configuration holds");
            }
            Err(error) => tracing::warn!(
                kind = error.kind(),
                error = chain(&error),
                "the configuration could not be reloaded: the last good one stays"
            ),
        }
    }
}
