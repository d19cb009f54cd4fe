//! A request's body, held within bounds: of each, and of all together.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::body::{Body, HttpBody as _};
use futures_util::StreamExt as _;

/// Most bytes of a review. etcd takes objects of 1.5 MiB, the API server requests of 3 MiB: no pod that could be
/// stored makes a larger one.
pub(super) const MAX_BYTES: usize = 3 * 1024 * 1024;

/// Most bytes of all reviews that are being received: a thousand of usual size (20 KiB), and a bound on what many
/// slow senders of large ones can make us hold.
const MAX_TOTAL_BYTES: usize = 24 * 1024 * 1024;

/// Why a body is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BodyError {
    /// It is larger than any review.
    TooLarge,
    /// Too much is being received at this moment.
    Busy,
    /// The sender ended in the middle of it.
    Broken,
}

/// What all bodies that are held take together.
#[derive(Debug, Clone, Default)]
pub(super) struct Held(Arc<AtomicUsize>);

/// A body, and its share of what is held.
#[derive(Debug)]
pub(super) struct Whole {
    pub(super) bytes: Vec<u8>,
    held: Held,
}

impl Held {
    /// Receives a body. What it takes is counted until the answer is dropped.
    pub(super) async fn receive(&self, body: Body) -> Result<Whole, BodyError> {
        let announced = body.size_hint().lower();
        if usize::try_from(announced).is_ok_and(|bytes| bytes > MAX_BYTES) {
            return Err(BodyError::TooLarge);
        }
        let mut whole = Whole {
            bytes: Vec::new(),
            held: self.clone(),
        };
        let mut frames = body.into_data_stream();
        while let Some(frame) = frames.next().await {
            // By what came, never by what was announced: announcing is free.
            whole.push(&frame.map_err(|_ended| BodyError::Broken)?)?;
        }
        Ok(whole)
    }
}

impl Whole {
    fn push(&mut self, frame: &[u8]) -> Result<(), BodyError> {
        if self.bytes.len() + frame.len() > MAX_BYTES {
            return Err(BodyError::TooLarge);
        }
        let before = self.held.0.fetch_add(frame.len(), Ordering::Relaxed);
        self.bytes.extend_from_slice(frame);
        if before + frame.len() > MAX_TOTAL_BYTES {
            return Err(BodyError::Busy);
        }
        Ok(())
    }
}

impl Drop for Whole {
    fn drop(&mut self) {
        self.held.0.fetch_sub(self.bytes.len(), Ordering::Relaxed);
    }
}
