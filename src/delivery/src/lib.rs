//! Rendered files into a directory, as atomic generations.
//!
//! ```text
//!  volume/
//!  ├── ..7.9f3c…/          one whole generation, complete before it is seen
//!  │   ├── db.json
//!  │   └── tls/key.pem
//!  ├── ..data ──▶ ..7.9f3c…          swapped by one rename: a reader sees one generation or the other
//!  ├── db.json ──▶ ..data/db.json    what the program opens
//!  └── tls ──▶ ..data/tls
//! ```
//!
//! The layout is kubelet's own for its Secret volumes, so programs that reload on change know it. A reader that
//! opens several files resolves `..data` once, opens the others below it, and starts again if they have gone:
//! the older generation is removed as soon as the newer one is visible.
//!
//! Invariants, whatever a pod that may write to the volume puts there:
//! - Everything is relative to the descriptor of the volume's own directory, one component at a time, through
//!   `openat2` that follows no symbolic link, leaves neither the directory nor its mount; files are made
//!   exclusively. Nothing outside is ever read, written or removed.
//! - A visible name that this crate did not put there is refused, never replaced: to make way it would have to be
//!   removed, and whose it is cannot be told. A pod that takes the names keeps itself, and nobody else, from newer
//!   credentials, and that is reported. Names that start with `..` are its own, as in every volume of kubelet:
//!   whatever lies there goes out of the way, under a name that is swept, and is never followed.
//! - Until the rename nothing that a reader sees has changed, so a full volume leaves the older generation
//!   whole. After it nothing can fail.
//!
//! Nothing is synced: the volumes are in memory. One writer at a time per volume, and every call blocks.

#[cfg(feature = "act-as")]
mod act_as;
mod directory;
mod env_file;
mod error;
mod volume;

#[cfg(feature = "act-as")]
pub use act_as::act_as;
pub use env_file::write_env_file;
pub use error::DeliveryError;
pub use volume::{File, Volume};
