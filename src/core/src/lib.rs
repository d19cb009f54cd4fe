//! The vocabulary of ESI: what every other crate speaks, and nothing that does I/O.
//!
//! ```text
//!  plan ── what one binding of one pod asks for (source, variables, files)
//!  workload ── who receives it            lease ── the record that it exists
//!  credential ── the minted values        secret ── the one type that holds them
//!  names ── identifiers, valid by construction
//!  classify ── what an error means to a caller   clock, checkpoint ── the outside, injected
//! ```
//!
//! Invariants: a value of a type of this crate is valid (text is parsed at the edge, once); secret bytes
//! exist only inside [`SecretBytes`]; nothing here knows Kubernetes, gRPC or HTTP.

pub mod checkpoint;
pub mod classify;
pub mod clock;
pub mod credential;
pub mod lease;
pub mod names;
pub mod plan;
pub mod secret;
pub mod span;
pub mod workload;

pub use checkpoint::{Checkpoint, NoCheckpoint};
pub use classify::{Classify, Code, Retry, chain};
pub use clock::{Clock, ManualClock, SystemClock, Timestamp};
pub use credential::Credential;
pub use lease::{Ends, Generation, Handle, InstallationId, Intent, LeaseId, RequestId};
pub use plan::Plan;
pub use secret::SecretBytes;
pub use workload::{BindingKey, Instance, Workload};
