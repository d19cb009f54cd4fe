//! The request to stop: made once, seen by everybody.
//!
//! Two steps, each a one-way door: *requested* (finish what runs, begin nothing new) and *forced* (stop at
//! once: a second signal, from a person who has waited long enough).

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// A handle to the request to stop. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Shutdown {
    requested: CancellationToken,
    forced: CancellationToken,
}

impl Shutdown {
    /// Not requested yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks everybody to stop. Again is the same as once.
    pub fn trigger(&self) {
        self.requested.cancel();
    }

    /// Asks everybody to stop now, whatever is running.
    pub fn force(&self) {
        self.requested.cancel();
        self.forced.cancel();
    }

    /// Whether a stop was asked for.
    #[must_use]
    pub fn is_requested(&self) -> bool {
        self.requested.is_cancelled()
    }

    /// Waits until a stop is asked for.
    pub async fn requested(&self) {
        self.requested.cancelled().await;
    }

    /// Waits until a stop without grace is asked for.
    pub async fn forced(&self) {
        self.forced.cancelled().await;
    }

    /// Listens for SIGTERM and SIGINT from now on; the future answers them and must be polled (spawned) to
    /// do so. The first signal triggers, the second forces. It never ends, so that it can be a companion
    /// task (see [`crate::tasks`]).
    ///
    /// # Errors
    /// If the signal handlers cannot be installed.
    pub fn on_signals(&self) -> io::Result<impl Future<Output = ()> + Send + 'static> {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let shutdown = self.clone();
        Ok(async move {
            let name = either(&mut terminate, &mut interrupt).await;
            tracing::info!(signal = name, "asked to stop; a second signal stops at once");
            shutdown.trigger();
            let name = either(&mut terminate, &mut interrupt).await;
            tracing::warn!(signal = name, "asked to stop again: stopping at once");
            shutdown.force();
            std::future::pending().await
        })
    }
}

async fn either(terminate: &mut Signal, interrupt: &mut Signal) -> &'static str {
    tokio::select! {
        _ = terminate.recv() => "SIGTERM",
        _ = interrupt.recv() => "SIGINT",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn every_clone_sees_the_request() {
        let shutdown = Shutdown::new();
        let seen = shutdown.clone();
        assert!(!seen.is_requested());
        shutdown.trigger();
        seen.requested().await;
        assert!(seen.is_requested());
    }

    #[tokio::test]
    async fn a_forced_stop_is_also_a_request() {
        let shutdown = Shutdown::new();
        shutdown.force();
        shutdown.requested().await;
        shutdown.forced().await;
    }

    #[tokio::test]
    async fn the_first_signal_requests_and_the_second_forces() {
        let shutdown = Shutdown::new();
        tokio::spawn(shutdown.on_signals().unwrap());
        let me = rustix::process::getpid();
        rustix::process::kill_process(me, rustix::process::Signal::TERM).unwrap();
        shutdown.requested().await;
        assert!(!shutdown.forced.is_cancelled());
        rustix::process::kill_process(me, rustix::process::Signal::INT).unwrap();
        shutdown.forced().await;
    }
}
