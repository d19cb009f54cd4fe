//! Volumes filled by the daemon, from a server that keeps everything in memory.

#[cfg(test)]
mod env;
#[cfg(test)]
mod life;
#[cfg(test)]
#[path = "../volumes/namespace.rs"]
mod namespace;
#[cfg(test)]
mod refusals;
#[cfg(test)]
mod world;
