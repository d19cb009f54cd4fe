//! `VaultDynamicSecret` against a real OpenBao.

mod answers;
mod life;
mod support;
