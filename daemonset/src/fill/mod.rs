//! Delivery `node`: what puts a credential into a volume before anybody can see it.

mod port;

pub use port::{Fill, FillError, Filled};
