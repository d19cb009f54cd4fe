//! What kubelet asks for: one checked request, one call of the volumes.
//!
//! ```text
//!  NodePublishVolume ──read──▶ Publish ──▶ Driver ──▶ OK │ code, by what kubelet does with it
//!                                 └─ within a deadline that is shorter than kubelet's
//! ```

mod invalid;
pub mod read;
mod service;
#[cfg(test)]
mod tests;
mod tokens;

pub use invalid::Invalid;
pub use service::NodeService;
