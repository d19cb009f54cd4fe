//! Drives the real binary against a server that keeps everything in memory.

#[cfg(test)]
mod cost;
#[cfg(test)]
mod environ;
#[cfg(test)]
mod exec;
#[cfg(test)]
mod init;
#[cfg(test)]
mod input;
#[cfg(test)]
mod install;
#[cfg(test)]
mod render;
#[cfg(test)]
mod retry;
#[cfg(test)]
mod run;
#[cfg(test)]
mod tree;
#[cfg(test)]
mod trust;
#[cfg(test)]
mod world;
