//! The webhook's own certificate authority: kept in a Secret, trusted through `caBundle`, replaced in time.
//!
//! ```text
//!  Secret ──read, create, compare and swap──▶ Authorities ──step (pure)──▶ Authorities
//!                                                │ bundle                     │ current
//!                             MutatingWebhookConfiguration            ServerTls (leaves)
//! ```
//!
//! Replicas agree through the Secret: whoever writes first wins, the others use what is there. A new authority mints
//! nothing before it has been in the bundle for [`PROPAGATION`], and an old one stays in it for [`OVERLAP`]: at no time
//! does the API server meet a certificate that it does not trust.

mod authorities;
mod bundle;
mod keeper;
mod secret;

pub use authorities::{Authorities, LIFE, OVERLAP, PROPAGATION, RENEW_BEFORE_END};
pub use keeper::{Keeper, KeeperConfig, KeeperError};
pub use secret::SecretPlace;

#[cfg(test)]
mod tests;
