//! The wire: an `AdmissionReview` (`admission.k8s.io/v1`) in, its answer out, over HTTPS.
//!
//! ```text
//!  request ──serve──▶ body (bounded) ──read──▶ Review ──[admit]──▶ Answer ──write──▶ response
//!              │                        └── no uid to answer to ──▶ 400
//!              └── 413, 415, 503
//! ```
//!
//! Invariants: what is read is bounded before it is held, and held before it is understood; only what decides is
//! deserialised, the pod once; a review whose uid could be read is always answered with it; malformed input is an
//! answer, never a panic.

mod body;
mod read;
mod serve;
mod write;

pub use read::{BadReview, Review, Subject};
pub use serve::{PATH, Server, router};
pub use write::{Answer, Denial, response};

/// What `apiVersion` a review has, and its answer.
const API_VERSION: &str = "admission.k8s.io/v1";
/// What `kind` a review has, and its answer.
const KIND: &str = "AdmissionReview";

#[cfg(test)]
mod tests;
