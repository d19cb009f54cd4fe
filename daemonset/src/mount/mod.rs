//! What touches the mount table: one file system in memory per volume, at the place that kubelet names.
//!
//! ```text
//!  Kernel::probe ──▶ what this kernel can            table ──▶ propagation, and what is mounted
//!  Tmpfs::make ──▶ Detached { root } ──(filled by others)──▶ Detached::attach(place)
//!  Pods::place(target) ──▶ Place { look, make, unmount, remove }
//! ```
//!
//! Invariants:
//! - A place is found from the descriptor of `<kubelet root>/pods`, component by component, and no symbolic link is
//!   followed; what is done there is done relative to the descriptor of its parent.
//! - What is to be filled is filled before it is attached: a reader sees a whole volume or none.
//! - No descriptor of a volume's root is kept: an open one keeps it from being unmounted (`EBUSY`).
//!
//! Every call blocks, for microseconds.

mod detached;
mod error;
mod kernel;
mod label;
mod place;
mod staging;
mod table;

pub use detached::{Detached, Tmpfs};
pub use error::{KernelError, MountError};
pub use kernel::{Kernel, MountApi};
pub use label::Label;
pub use place::{Place, Pods, Seen};
pub use staging::Staging;
pub use table::{Entry, Table};
