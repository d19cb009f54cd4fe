//! Admissions without a pause, while something happens to the webhook.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use esi_tests::kubernetes::Namespace;
use serde_json::Value;

/// As many as an API server on two cores keeps busy.
const CALLERS: usize = 4;

/// What came of the admissions.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// How many pods were admitted.
    pub(crate) admitted: usize,
    /// Why others were not.
    pub(crate) failures: Vec<String>,
}

/// Makes pods (dry runs, so that nothing is left) one after the other from several callers, until `happening` ends.
pub(crate) async fn admissions_during<T>(
    namespace: &Namespace,
    pod: &Value,
    happening: impl Future<Output = T>,
) -> (T, Outcome) {
    let (over, admitted) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let callers: Vec<_> = (0..CALLERS)
        .map(|_| {
            let (namespace, pod) = (namespace.clone(), pod.clone());
            let (over, admitted) = (Arc::clone(&over), Arc::clone(&admitted));
            tokio::spawn(async move {
                let mut failures = Vec::new();
                while !over.load(Ordering::Relaxed) {
                    match namespace.dry_run(&pod).await {
                        Ok(_) => drop(admitted.fetch_add(1, Ordering::Relaxed)),
                        Err(error) => failures.push(error.to_string()),
                    }
                }
                failures
            })
        })
        .collect();
    let value = happening.await;
    over.store(true, Ordering::Relaxed);
    let mut failures = Vec::new();
    for caller in callers {
        failures.extend(caller.await.unwrap());
    }
    let admitted = admitted.load(Ordering::Relaxed);
    (value, Outcome { admitted, failures })
}
