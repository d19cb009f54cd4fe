//! The node daemon: `esi-node`, the shipped binary, in a mount namespace of its own; its parts against the shipped
//! server and a real PostgreSQL; its manifests.

mod csi_sanity;
mod fill;
mod keep;
mod manifests;
mod registration;
mod volumes;
