//! Waiting for what another process does by itself.

use std::time::Duration;

/// Waits, at most 20 s.
///
/// # Panics
/// If it is still not so.
pub async fn eventually(what: &str, is: impl AsyncFn() -> bool) {
    const STEP: Duration = Duration::from_millis(20);
    for _ in 0..1000 {
        if is().await {
            return;
        }
        tokio::time::sleep(STEP).await;
    }
    panic!("after 20 s it is still not so that {what}");
}
