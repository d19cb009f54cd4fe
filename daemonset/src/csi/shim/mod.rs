//! Gives every request of a connection the authority `localhost`, before HTTP/2 is read.
//!
//! kubelet dials the registration socket without an authority of its own, so that grpc-go makes one of the socket's
//! path: `:authority: %2Fvar%2Flib%2Fkubelet%2Fplugins_registry%2F…`. That is no authority (RFC 3986), and h2 resets
//! the stream before anything of ours sees it. kubelet names `localhost` where it dials a CSI socket, as does every
//! other client; so nothing is lost.
//!
//! ```text
//!  kubelet ──▶ Shim ──▶ h2, tonic          HEADERS, CONTINUATION ──hpack──▶ HEADERS that need no table
//!     ◀────────────────────                every other frame ─────────────▶ unchanged, as it comes
//! ```
//!
//! Invariants: what is held of a connection is bounded, whatever it sends; input that breaks a rule of framing or of
//! HPACK is an error, and ends the connection; the fields of a block, but for the authority, are those that were sent.

mod codec;
mod hpack;
mod huffman;
mod stream;
#[cfg(test)]
mod tests;

pub use codec::{Broken, Codec};
pub use stream::Shim;
