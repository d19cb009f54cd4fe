//! The whole line, through the shipped server: a token to a credential at a real backend, and its end.

mod catalog;
mod crash;
mod discovery;
mod faults;
mod hygiene;
mod issue;
mod node;
mod operator;
mod vault;
mod withdrawn;
pub(crate) mod world;
