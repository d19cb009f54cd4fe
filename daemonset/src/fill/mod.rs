//! Delivery `node`: what puts a credential into a volume before anybody can see it.
//!
//! ```text
//!  Publish ──▶ server, the pod's token for it ──▶ env: wait for kubelet's directory ──▶ issue ──▶ deliver:
//!                                                                          render ─▶ volume ─▶ <binding>.env
//!  then, once it is attached:  shown ──▶ acknowledge          or, if it never will be:  give_back ──▶ revoke
//! ```
//!
//! Invariants: whatever can be known to fail is found before anything is issued; a token of a pod is shown only to the
//! server whose audience it is for, and only for that pod's own volume; no error is one that makes kubelet forget the
//! volume, since a file system and a record are there before anything is filled.

mod deliver;
mod env;
mod error;
mod node;
mod port;

pub use deliver::deliver;
pub use env::EnvDirectory;
pub use error::NodeFillError;
pub use node::NodeFill;
pub use port::{Fill, FillError, Filled};
