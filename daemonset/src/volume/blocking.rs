//! Threads for what blocks.

use std::sync::Arc;

use tokio::sync::Semaphore;

/// At most this many at once: each waits for the kernel or the disk, and the disk syncs those of one moment together.
const THREADS: usize = 32;

/// A bounded number of threads.
#[derive(Debug, Clone)]
pub(super) struct Blocking(Arc<Semaphore>);

/// The thread did not come to its end: the daemon is shutting down, or there is a defect, which is logged.
#[derive(Debug)]
pub(super) struct Cut;

impl Blocking {
    pub(super) fn new() -> Self {
        Self(Arc::new(Semaphore::new(THREADS)))
    }

    /// Runs `work` on one of them. Once begun it runs to its end, whatever becomes of the caller.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Cut> {
        // The semaphore is never closed.
        let permit = Arc::clone(&self.0).acquire_owned().await.map_err(|_closed| Cut)?;
        let work = tokio::task::spawn_blocking(move || {
            let done = work();
            drop(permit);
            done
        });
        work.await.map_err(|error| {
            tracing::error!(%error, "a step of a volume did not come to its end");
            Cut
        })
    }
}
