//! Wakes the worker before its time.

use std::sync::Arc;

use tokio::sync::Notify;

/// Tells the worker that there may be work now. Clones wake the same worker.
#[derive(Debug, Clone, Default)]
pub struct Waker(Arc<Notify>);

impl Waker {
    /// There may be work: call it after a begin, an end, an acknowledgement or a use. Cheap; waking an awake worker
    /// makes it look once more.
    pub fn wake(&self) {
        self.0.notify_one();
    }

    pub(super) async fn woken(&self) {
        self.0.notified().await;
    }
}
