//! Named steps of the paths that must survive a crash at any point.
//!
//! Shipped binaries wire [`NoCheckpoint`]; test binaries wire one that kills the process at a chosen step.

use std::fmt;

/// Is told of each step as it is reached.
pub trait Checkpoint: Send + Sync + fmt::Debug {
    /// The step named `step` has been reached; everything before it has been done.
    fn reach(&self, step: &'static str);
}

/// Does nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoCheckpoint;

impl Checkpoint for NoCheckpoint {
    fn reach(&self, _step: &'static str) {}
}
