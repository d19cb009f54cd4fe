//! `VaultDynamicSecret` against a real OpenBao.

mod answers;
pub(crate) mod backend;
mod database;
mod faults;
mod life;
mod secrecy;
pub(crate) mod support;
