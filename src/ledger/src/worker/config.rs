//! How the worker works.

use std::time::Duration;

/// Bounds of the worker. The defaults suit one server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WorkerConfig {
    /// Most attempts at a time.
    pub concurrency: usize,
    /// Most attempts at one generator at a time: what one backend that hangs can take of the slots.
    pub per_generator: usize,
    /// How long one attempt may take. A revocation waits for its backend to confirm.
    pub deadline: Duration,
    /// The pause after the first failed attempt at a lease; it doubles with each further one.
    pub first_pause: Duration,
    /// The longest pause.
    pub longest_pause: Duration,
    /// A lease whose revocation is refused for good is given up (and shown as dead) only this long after its end:
    /// until then somebody may put the generator or its rights back.
    pub give_up_after: Duration,
    /// … and only after so many attempts, for the server may have been off for that long.
    pub give_up_attempts: u32,
    /// How long a stop waits for attempts under way. What is cut off is repeated after the next start.
    pub stop_within: Duration,
}

impl Default for WorkerConfig {
    fn default() -> Self {
        Self {
            concurrency: 64,
            per_generator: 16,
            deadline: Duration::from_secs(30),
            first_pause: Duration::from_secs(1),
            longest_pause: Duration::from_secs(300),
            give_up_after: Duration::from_secs(7 * 24 * 3600),
            give_up_attempts: 20,
            stop_within: Duration::from_secs(2),
        }
    }
}

impl WorkerConfig {
    /// A claim outlasts its attempt by the time that settling it may take.
    pub(super) fn claim_for(&self) -> Duration {
        self.deadline + Duration::from_secs(30)
    }
}
