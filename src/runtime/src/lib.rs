//! What every long-running ESI program needs around its own work, and nothing of that work.
//!
//! ```text
//!  args ── flags of every server   start ── log, memory and crypto, before anything else
//!  memory ── never dumped            descriptors ── as many as may be
//!  crypto ── one provider          telemetry, log quota ── logs, with caps that no filter lifts
//!  shutdown ── asked to stop?      tasks ── what must be alive, and the drain
//!  readiness ── still waiting for  admin ── /healthz /readyz /metrics, plain HTTP
//!
//!  files, changes ─┐
//!  own CA ─────────┴─▶ tls ── current configuration ──▶ serve ── accept, handshake, HTTP/1.1 and HTTP/2 ──▶ Router
//! ```
//!
//! Invariants: nothing here reads the environment, but for the flags of `args`, or the system's clock; every task has
//! an owner that notices its death; every wait on a peer has a deadline and every collection a bound.

pub mod admin;
pub mod args;
pub mod changes;
pub mod crypto;
pub mod descriptors;
pub mod files;
mod log_quota;
pub mod memory;
pub mod metrics;
pub mod readiness;
pub mod serve;
pub mod shutdown;
mod start;
pub mod tasks;
pub mod telemetry;
pub mod tls;

#[cfg(test)]
mod testing;

pub use admin::AdminState;
pub use changes::Changes;
pub use log_quota::LogQuota;
pub use metrics::Metrics;
pub use readiness::{Blocker, Readiness};
pub use serve::{Listener, Peer, ServeError, ServeLimits, serve};
pub use shutdown::Shutdown;
pub use start::{StartError, start};
pub use tasks::{Tasks, TasksError};
pub use telemetry::{Format, TelemetryConfig};
pub use tls::{ServerTls, TlsError, TlsReloader, TlsSource};
