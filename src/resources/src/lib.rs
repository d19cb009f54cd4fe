//! The custom resources that a server reads, as typed values, and the catalog that holds them.
//!
//! ```text
//!  directory of manifests ──parse──▶ typed documents ──merge──▶ Snapshot ──▶ server (Catalog::current)
//! ```
//!
//! Invariants: a value of a type of this crate is valid (text is parsed at the edge, once); a snapshot never
//! changes; what a broken manifest says grants nothing.

pub mod authorization;
pub mod catalog;
pub mod federation;
pub mod generator;
pub mod injection;
pub mod jwk;
pub mod manifest;
pub mod pem;
mod shown;
