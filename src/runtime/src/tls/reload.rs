//! The task that keeps a server's certificate fresh.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use esi_core::{Classify as _, Clock};
use tokio::sync::watch;

use super::authority::{Authority, RENEW_BEFORE_END};
use super::pair::{Files, Served};
use super::{State, TlsError};
use crate::changes::Changes;
use crate::{Metrics, Shutdown};

/// How often the wall clock is compared with the leaf's age: it may jump, and a machine may sleep.
const TICK: Duration = Duration::from_secs(60 * 60);

pub(super) enum Origin {
    Files(Files),
    Authority(watch::Receiver<Arc<Authority>>, Vec<String>),
}

/// Keeps a [`super::ServerTls`] fresh, as one task.
#[must_use = "a certificate that nobody reloads expires"]
pub struct TlsReloader {
    origin: Origin,
    publish: Publish,
}

impl fmt::Debug for TlsReloader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsReloader").finish_non_exhaustive()
    }
}

impl TlsReloader {
    pub(super) fn new(
        state: watch::Sender<State>,
        origin: Origin,
        clock: Arc<dyn Clock>,
        metrics: Metrics,
    ) -> Self {
        let publish = Publish {
            state,
            clock,
            metrics,
        };
        publish.announce();
        Self { origin, publish }
    }

    /// Runs until a stop is requested.
    pub async fn run(self, shutdown: Shutdown) {
        let Self { origin, publish } = self;
        tokio::select! {
            () = shutdown.requested() => {}
            () = async {
                match origin {
                    Origin::Files(files) => follow(files, publish).await,
                    Origin::Authority(authority, names) => renew(authority, &names, publish).await,
                }
            } => {}
        }
    }
}

/// Where results go: to readers, the log and the metrics.
struct Publish {
    state: watch::Sender<State>,
    clock: Arc<dyn Clock>,
    metrics: Metrics,
}

impl Publish {
    fn result(&self, result: Result<Served, TlsError>) {
        match result {
            Ok(served) => {
                self.state.send_modify(|state| state.served = served);
                self.metrics.reloaded("ok").inc();
                tracing::info!("serving a new certificate");
                self.announce();
            }
            Err(error) => {
                self.metrics.reloaded("failed").inc();
                tracing::warn!(
                    kind = error.kind(),
                    error = esi_core::chain(&error),
                    "the certificate could not be reloaded: the last good one stays"
                );
                self.state.send_modify(|state| state.failures += 1);
            }
        }
    }

    fn announce(&self) {
        let not_after = self.state.borrow().served.not_after;
        self.metrics.certificate_not_after.set(not_after.as_secs());
        if not_after <= self.clock.now() {
            tracing::warn!(%not_after, "the certificate being served has expired");
        }
    }
}

async fn follow(mut files: Files, publish: Publish) {
    let changes = Changes::of("certificate", files.paths());
    // Looks first, then waits: the files may have changed between their first reading and the watch.
    loop {
        let looked = tokio::task::spawn_blocking(move || {
            let result = files.changed();
            (files, result)
        });
        // It can only fail by a panic: a defect, and the end of this task, which its owner notices.
        let Ok((returned, result)) = looked.await else {
            return;
        };
        files = returned;
        if let Some(result) = result.transpose() {
            publish.result(result);
        }
        changes.next().await;
    }
}

async fn renew(mut authority: watch::Receiver<Arc<Authority>>, names: &[String], publish: Publish) {
    loop {
        let due = publish.state.borrow().served.not_after.before(RENEW_BEFORE_END);
        let now = publish.clock.now();
        // After a failure the next attempt is a tick away; near the authority's own end, so is the next leaf.
        let wait = if now < due { due.since(now).min(TICK) } else { TICK };
        let replaced = tokio::select! {
            // An authority that nobody can replace any more is a branch that never comes.
            Ok(()) = authority.changed() => true,
            () = tokio::time::sleep(wait) => false,
        };
        let now = publish.clock.now();
        if replaced || now >= due {
            let current = Arc::clone(&authority.borrow_and_update());
            publish.result(current.mint(names, now));
        }
    }
}
