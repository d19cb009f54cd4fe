//! The gRPC face: wire to request, request to the straight line, answer to wire. Nothing is decided here.

mod refusal;
mod service;
mod wire;

pub use service::FederationService;
