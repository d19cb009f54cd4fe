//! All integration tests, in one binary. Each module is one capability.

mod postgresql;
mod vault;
