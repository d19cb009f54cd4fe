//! Several things at once, all or nothing.

use std::collections::BTreeMap;
use std::future::Future;
use std::io;
use std::sync::Arc;

use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::exit::Failure;

/// Most calls under way at once: enough to hide one slow backend, and little memory for what they hold.
const AT_ONCE: usize = 8;

/// Runs all of `tasks`, a few at a time, and returns their values in order.
///
/// # Errors
/// The first failure. The others are then dropped where they stand.
pub(crate) async fn together<T, F>(tasks: impl IntoIterator<Item = F>) -> Result<Vec<T>, Failure>
where
    T: Send + 'static,
    F: Future<Output = Result<T, Failure>> + Send + 'static,
{
    let gate = Arc::new(Semaphore::new(AT_ONCE));
    let mut set = JoinSet::new();
    for (index, task) in tasks.into_iter().enumerate() {
        let gate = Arc::clone(&gate);
        set.spawn(async move {
            // The gate is never closed.
            let _permit = gate.acquire_owned().await;
            task.await.map(|value| (index, value))
        });
    }
    let mut values = BTreeMap::new();
    while let Some(joined) = set.join_next().await {
        let (index, value) =
            joined.map_err(|error| Failure::system("a task ended early")(io::Error::other(error)))??;
        values.insert(index, value);
    }
    Ok(values.into_values().collect())
}

#[cfg(test)]
mod tests {
    use std::pin::Pin;
    use std::time::Duration;

    use super::*;

    type Task = Pin<Box<dyn Future<Output = Result<u64, Failure>> + Send>>;

    fn failure() -> Failure {
        Failure::system("broken")(io::Error::other("x"))
    }

    #[tokio::test(start_paused = true)]
    async fn values_come_in_the_order_of_the_tasks() {
        let tasks = (0..20_u64).map(|n| async move {
            tokio::time::sleep(Duration::from_secs(20 - n)).await;
            Ok(n)
        });
        assert_eq!(together(tasks).await.unwrap(), (0..20).collect::<Vec<_>>());
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_failure_ends_the_others() {
        let tasks: [Task; 2] = [
            Box::pin(std::future::pending()),
            Box::pin(async { Err(failure()) }),
        ];
        assert_eq!(together(tasks).await.unwrap_err().to_string(), "broken");
    }
}
