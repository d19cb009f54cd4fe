//! Pods in, patched pods out.

mod again;
mod build;
mod refused;
mod rows;
mod who;
