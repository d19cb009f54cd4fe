//! How the volumes tell the keeper.

use std::sync::Arc;

use tokio::sync::mpsc;

use crate::request::{Publish, VolumeId};
use crate::volume::Keep;

/// More than a node has pods. What does not fit is no loss: kubelet comes again with fresher tokens, and the keeper
/// looks through the records by itself.
const BOUND: usize = 1024;

/// What the keeper is told.
#[derive(Debug)]
pub(super) enum Message {
    /// kubelet has just asked for a volume that is ready.
    Fresh(Arc<Publish>),
    /// A volume is to be released.
    Gone,
}

/// The volumes' end.
#[derive(Debug)]
pub struct Told(mpsc::Sender<Message>);

/// The keeper's end.
#[derive(Debug)]
pub struct Inbox(pub(super) mpsc::Receiver<Message>);

/// Both ends: the volumes are started with one before there can be a keeper of them.
#[must_use]
pub fn channel() -> (Told, Inbox) {
    let (sender, receiver) = mpsc::channel(BOUND);
    (Told(sender), Inbox(receiver))
}

impl Told {
    fn tell(&self, message: Message) {
        if self.0.try_send(message).is_err() {
            tracing::debug!("the keeper is told later what became of a volume");
        }
    }
}

impl Keep for Told {
    fn fresh(&self, volume: Arc<Publish>) {
        self.tell(Message::Fresh(volume));
    }

    fn gone(&self, _id: &VolumeId) {
        self.tell(Message::Gone);
    }
}
