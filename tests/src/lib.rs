//! The harness: real servers, started by the tests, gone with them.

pub mod crash;
mod eventually;
pub mod federation;
pub mod issuer;
pub mod kubernetes;
pub mod node;
pub mod openbao;
pub mod postgres;
pub mod process;
mod scratch;

pub use eventually::eventually;
