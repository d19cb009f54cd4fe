//! The volumes: one owner of each, from its publish to its release.

mod port;

pub use port::{Cause, Driver, PublishError, UnpublishError};
