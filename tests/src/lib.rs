//! The harness: real servers, started by the tests, gone with them.

mod eventually;
pub mod federation;
pub mod issuer;
pub mod openbao;
pub mod postgres;
pub mod process;

pub use eventually::eventually;
