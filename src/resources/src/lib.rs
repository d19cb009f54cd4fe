//! The custom resources, as typed values; their definitions; and the catalog that holds those that a server reads.
//!
//! ```text
//!  directory of manifests ──parse──▶ typed documents ──merge──▶ Snapshot ──▶ server (Catalog::current)
//! ```
//!
//! Invariants: a value of a type of this crate is valid (text is parsed at the edge, once); a snapshot never
//! changes; what a broken manifest says grants nothing.

pub mod authorization;
pub mod catalog;
pub mod crd;
pub mod federation;
pub mod generator;
pub mod injection;
pub mod jwk;
pub mod manifest;
pub mod pem;
mod shown;
