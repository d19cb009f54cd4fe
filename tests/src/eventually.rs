//! Waiting for what another process does by itself.

use std::time::Duration;

use tokio::time::Instant;

/// Longer than any back-off that a test provokes, on a busy machine.
const LIMIT: Duration = Duration::from_secs(40);
const STEP: Duration = Duration::from_millis(20);

/// Waits until it is so, at most [`LIMIT`].
///
/// # Panics
/// If it is still not so.
pub async fn eventually(what: &str, is: impl AsyncFn() -> bool) {
    let begun = Instant::now();
    while !is().await {
        assert!(
            begun.elapsed() < LIMIT,
            "after {LIMIT:?} it is still not so that {what}"
        );
        tokio::time::sleep(STEP).await;
    }
}
