//! kubelet's side of the daemon: the sockets that it finds, and the calls that it makes.
//!
//! ```text
//!  plugins_registry/<driver>-<boot>-reg.sock ─┐                      ┌─▶ registration: who are we, are we in?
//!  plugins/<driver>/csi.sock ─────────────────┴─ socket ─▶ shim ─▶ ──┼─▶ identity
//!     ▲ probe: dials both, as a client does                          └─▶ node ── checked request ──▶ volume::Driver
//! ```

pub mod proto;
pub mod shim;
pub mod socket;
