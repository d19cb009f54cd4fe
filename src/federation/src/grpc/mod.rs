//! The gRPC face: wire to request, request to the straight line, answer to wire. Nothing is decided here.

mod calls;
mod leases;
mod refusal;
mod service;
mod wire;

pub use calls::Calls;
pub use leases::LeasesService;
pub use service::FederationService;
