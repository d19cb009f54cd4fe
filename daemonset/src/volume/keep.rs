//! Whoever keeps volumes fresh, and sends releases.

use std::fmt;
use std::sync::Arc;

use crate::request::{Publish, VolumeId};

/// Is told what becomes of the volumes. Neither call may block.
pub trait Keep: Send + Sync + fmt::Debug {
    /// The volume is ready, and kubelet has just asked for it with fresh tokens.
    fn fresh(&self, volume: Arc<Publish>);

    /// The volume is gone, and its record says what is to be released.
    fn gone(&self, id: &VolumeId);
}

/// Nobody keeps them.
impl Keep for () {
    fn fresh(&self, _volume: Arc<Publish>) {}

    fn gone(&self, _id: &VolumeId) {}
}
