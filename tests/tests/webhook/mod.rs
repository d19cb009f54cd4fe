//! The admission webhook and what is shipped with it, at a real API server.

mod admission;
mod authority;
mod conditions;
mod corpus;
mod definitions;
mod down;
mod load;
mod manifests;
mod pods;
mod policies;
mod rotation;
mod second;
mod server;
mod watch;
