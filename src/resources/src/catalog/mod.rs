//! The catalog: one snapshot of all resources, read from a directory of Kubernetes manifests.
//!
//! ```text
//!  files ──directory::scan──▶ text ──parse──▶ ParsedFile ──merge(previous)──▶ Snapshot ──▶ Catalog::current
//!                                                                                 └──▶ Catalog::changes
//! ```
//!
//! `parse` and `merge` are functions of values; the directory's watcher is a thin shell around them, with one
//! task that owns everything that changes.
//!
//! # What holds when something is broken
//!
//! * At the start nothing may be: [`DirectoryCatalog::open`] lists every problem and fails.
//! * Later, a removal or restriction applies at once, and nothing that is broken grants anything. A broken
//!   generator keeps its last good form ([`GeneratorDocument::stale`]), as does a broken `Secret`, which grants
//!   nothing by itself. A broken authorization or federation is withdrawn until it is mended.
//! * A document that cannot be read at all makes its whole file *torn* (half written, perhaps): which object it
//!   was is unknown, and what else the file says may be cut short. All authorizations and federations of a torn
//!   file are withdrawn, generators and secrets that were in it keep their last good form.
//! * What refers to what is not there is not broken: the other may come later ([`Snapshot::dangling`]).
//! * An object that is there twice is refused in both places.
//!
//! # Layout
//! [`problem`](Problem) what is wrong and where · [`snapshot`](Snapshot) the value · `parse` text to documents ·
//! `merge` documents to a snapshot · [`directory`](DirectoryCatalog) files, watching, limits.

mod directory;
mod handle;
mod merge;
mod parse;
mod problem;
mod snapshot;

pub use directory::{DirectoryCatalog, DirectoryWatcher, limits};
pub use handle::Catalog;
pub use problem::{CatalogError, Problem};
pub use snapshot::{GeneratorDocument, Snapshot, SnapshotBuilder};
