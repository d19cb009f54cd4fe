//! kubelet's side of the daemon: the sockets that it finds, and the calls that it makes.
//!
//! ```text
//!  plugins_registry/<driver>-<boot>-reg.sock ─┐                      ┌─▶ registration: who are we, are we in?
//!  plugins/<driver>/csi.sock ─────────────────┴─ socket ─▶ shim ─▶ ──┼─▶ identity
//!     ▲ probe: dials both, as a client does                          └─▶ node ── checked request ──▶ volume::Driver
//! ```
//!
//! Invariants: a request is checked whole before anything is done; nothing of its secrets is printed; what one client
//! may cost is bounded, connections, messages and calls alike.

mod driver_name;
pub mod identity;
pub mod node;
pub mod probe;
pub mod proto;
pub mod registration;
pub mod server;
pub mod shim;
pub mod socket;
#[cfg(test)]
mod tests;

pub use driver_name::DriverName;
