//! The custom resources that a server reads, as typed values.

pub mod generator;
