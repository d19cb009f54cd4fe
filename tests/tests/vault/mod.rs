//! `VaultDynamicSecret` against a real OpenBao.

mod answers;
mod life;
pub(crate) mod support;
