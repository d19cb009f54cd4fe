//! The admission webhook: a pod's annotations and its namespace's injections in, a patch out.
//!
//! ```text
//!  AdmissionReview ──admission──▶ pod (raw JSON)
//!                                   │
//!   annotations ──ask──▶ Asked { bindings, options } ──mutate──▶ patch ──admission──▶ AdmissionReview
//!                 ▲                                     ▲
//!            injections                     configuration, capability
//!            (world: watched, never asked for)
//! ```
//!
//! Beside it: `watch` keeps the world current, `report` tells in the cluster what became of its injections.
//!
//! Invariants: the patch is a function of its arguments, without I/O, clock or chance; applied to its own result it
//! changes nothing; pods are raw JSON, so that fields newer than this program survive; nothing of a pod is logged.

pub mod admission;
pub mod admit;
pub mod app;
pub mod args;
pub mod ask;
pub mod certificates;
#[cfg(test)]
mod check;
pub mod cluster;
pub mod config;
pub mod denials;
pub mod explain;
pub mod json;
pub mod metrics;
pub mod mutate;
mod pod;
pub mod report;
pub mod version;
pub mod watch;
pub mod world;
