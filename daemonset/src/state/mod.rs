//! What the daemon knows of its volumes across restarts: one small file each, and no secret in any.
//!
//! ```text
//!            publish                shown                      unpublish
//!  (none) ───────────▶ Publishing ─────────▶ Ready ──────────────────────▶ Releasing ──the server has it──▶ (none)
//!                          ▲  └─────────────────│────unpublish──────────────▲   │
//!                          └──unmounted, rebooted┘                          │   │
//!                          └────────────────────publish again───────────────────┘
//! ```
//!
//! Invariants: a record is durable before what it announces is done, so nothing is mounted, issued or released that no
//! record names; a file is replaced whole or not at all; a file that cannot be read is set aside, and stops nothing.

mod boot;
mod error;
mod record;
mod store;

pub use boot::BootId;
pub use error::StateError;
pub use record::{Phase, Record};
pub use store::Store;

#[cfg(test)]
pub(crate) use record::tests::record as test_record;
