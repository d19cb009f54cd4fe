//! The volumes: one owner of each, from its publish to its release.
//!
//! ```text
//!  publish ──turn──▶ look ──decide──▶ record ──▶ make ──▶ fill ──▶ attach ──▶ record ──▶ shown, keep
//!  unpublish ──stop, turn──▶ record ──▶ unmount ──▶ remove ──▶ keep            (the release is the record)
//!  start ──▶ records × mounts × kubelet's directories ──plan──▶ released, cleaned, to be made again
//! ```
//!
//! Invariants:
//! - One call at a time has the turn of a volume; volumes do not wait for each other. A call that its caller has given
//!   up runs on, so that a step is never cut in two, and the next one finds it [`PublishError::Busy`].
//! - A volume is filled before it is seen: what is mounted for delivery `node` has its content.
//! - A volume that is ready is never unmounted, nor its content touched, by a publish.
//! - An unpublish waits for no network, and fails for nothing but the kernel.
//! - What blocks runs on a bounded number of threads.

mod blocking;
mod decide;
mod held;
mod keep;
mod layout;
mod port;
mod publish;
mod reconcile;
mod start;
mod table;
mod unpublish;

pub use held::Held;
pub use keep::Keep;
pub use port::{Cause, Driver, PublishError, UnpublishError};
pub use start::{Parts, Volumes};
