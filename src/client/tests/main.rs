//! The calls, against a server that keeps everything in memory.

#[cfg(test)]
mod calls;
