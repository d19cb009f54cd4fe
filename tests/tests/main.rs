//! All integration tests, in one binary. Each module is one capability.

mod cli;
mod flow;
mod node;
mod postgresql;
mod vault;
mod webhook;
