//! The node daemon: the only privileged code of ESI, one container per node.
//!
//! ```text
//!  kubelet ──CSI over a Unix socket──▶ csi ──▶ request (checked) ──▶ volume ──▶ mount (tmpfs)
//!                                                                     │  └────▶ fill: issue, render, write
//!                                                                     ▼                    │
//!                                                       state (one file per volume)        ▼
//!                                                                     ▲          federation server
//!                                                                     └── keep: report, rotate, release
//! ```
//!
//! Invariants: no path that a pod controls is followed; no secret is in a state file, a log or an error; nothing of
//! kubelet's calls but an issue needs the network, and an unpublish never does.

pub mod app;
pub mod args;
pub mod csi;
pub mod fill;
pub mod keep;
pub mod metrics;
pub mod mount;
pub mod request;
pub mod server;
pub mod state;
pub mod volume;
