//! The whole line with Vault: a token to a credential of an engine's, and its end at every list that shows it.

mod crash;
mod faults;
mod hygiene;
mod issue;
mod world;
