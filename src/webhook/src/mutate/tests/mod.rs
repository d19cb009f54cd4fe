//! Pods in, patched pods out.

mod again;
mod build;
mod hostile;
mod properties;
mod refused;
mod rows;
mod speed;
mod who;
