//! A node: the daemon on a kubelet root of its own, and a client that calls it as kubelet does.

mod daemon;
mod kubelet;
mod raw;
mod volume;

pub use daemon::Daemon;
pub use kubelet::Kubelet;
pub use volume::Volume;
