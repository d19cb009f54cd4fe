//! The federation servers that plans may name.
//!
//! ```text
//!  --servers FILE (a ConfigMap: url, CA, audience by name) ──read──▶ Servers ──get(name)──▶ Server
//!        ▲ changes ── Follower                                                     │
//!  --token-dir DIR/<server> (projected, one audience each) ─────────── own() ◀─────┤
//!  a pod's tokens (from kubelet, by audience) ─────────────────────── of_pod() ◀───┘
//! ```
//!
//! Invariants: every server has an audience, and no two have the same, so none can show a token that it was shown to
//! another; a server that is unchanged in a new file keeps its connection; a file that is not valid changes nothing.

mod error;
mod file;
mod follow;
mod servers;
#[cfg(test)]
mod tests;

pub use error::{ServersError, UnknownServer};
pub use follow::{Follower, open};
pub use servers::{Server, Servers};
