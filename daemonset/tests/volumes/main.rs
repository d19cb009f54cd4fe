//! Volumes as kubelet and pods see them: real mounts, in a mount namespace of each test's own.

#[cfg(test)]
mod access;
#[cfg(test)]
mod crash;
#[cfg(test)]
mod fake;
#[cfg(test)]
mod hostile;
#[cfg(test)]
mod mounting;
#[cfg(test)]
mod namespace;
#[cfg(test)]
mod publish;
#[cfg(test)]
mod restart;
#[cfg(test)]
mod surroundings;
#[cfg(test)]
mod unpublish;
#[cfg(test)]
mod world;
