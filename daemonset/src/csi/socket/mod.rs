//! A socket that kubelet finds by its path: there before anybody can see it, there again when it was taken away, gone
//! with the daemon.
//!
//! ```text
//!  bind .name ─▶ chmod 0600 ─▶ listen ─▶ rename to name.sock ─▶ accept … ─▶ unlink
//!                  ▲                                              │
//!                  └── the path is not ours any more, or renewal asked for
//! ```
//!
//! kubelet sees a file at the moment it gets its final name (inotify), and dials it once: a socket that does not listen
//! yet costs a back-off of up to two minutes. It never looks again either, so that a socket that was unlinked is a
//! driver that silently vanished: the path is looked at every few seconds.

mod bind;
mod names;

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{Stream, stream};
use thiserror::Error;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::time::{Interval, MissedTickBehavior, interval};

use bind::Bound;
pub use names::{Paths, remove_stale};

use super::shim::Shim;

/// How often the path is looked at.
const LOOK: Duration = Duration::from_secs(3);
/// How long nobody is accepted after the kernel had no descriptor or memory for it.
const PAUSE: Duration = Duration::from_millis(100);

/// Why there is no socket. For the log of an operator: names paths.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SocketError {
    /// Longer than an address may be.
    #[error(
        "the socket path {path} has {length} bytes, and the kernel takes {max}: use a shorter driver name or kubelet root"
    )]
    TooLong {
        /// The path.
        path: String,
        /// Its length.
        length: usize,
        /// The most that there may be.
        max: usize,
    },
    /// The kernel or the file system refused.
    #[error("the socket {path} cannot be made ({step})")]
    Io {
        /// The path.
        path: String,
        /// What was refused.
        step: &'static str,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// A listening socket at a path that only the daemon's user may connect to.
#[derive(Debug)]
pub struct Socket {
    bound: Bound,
    listener: UnixListener,
    renewal: Arc<Notify>,
    look: Interval,
}

impl Socket {
    /// Listens at `path`, taking the place of whatever socket is there. Within a Tokio runtime.
    ///
    /// # Errors
    /// See [`SocketError`].
    pub fn open(path: &Path) -> Result<Self, SocketError> {
        let (bound, listener) = Bound::new(path)?;
        let mut look = interval(LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Ok(Self {
            bound,
            listener,
            renewal: Arc::default(),
            look,
        })
    }

    /// Makes the file anew when notified, so that kubelet sees it come.
    #[must_use]
    pub fn renewal(&self) -> Arc<Notify> {
        Arc::clone(&self.renewal)
    }

    /// The connections, at most as many at once as there are permits, until it is dropped.
    pub fn incoming(self, permits: Arc<Semaphore>) -> impl Stream<Item = io::Result<Shim<UnixStream>>> {
        stream::unfold((self, permits), async |(mut socket, permits)| {
            let (connection, permit) = socket.accept(&permits).await;
            Some((Ok(Shim::new(connection).holding(permit)), (socket, permits)))
        })
    }

    async fn accept(&mut self, permits: &Arc<Semaphore>) -> (UnixStream, OwnedSemaphorePermit) {
        loop {
            let next = async {
                let permit = Arc::clone(permits).acquire_owned().await;
                (self.listener.accept().await, permit)
            };
            let reason = tokio::select! {
                (accepted, permit) = next => match (accepted, permit) {
                    (Ok((connection, _)), Ok(permit)) => return (connection, permit),
                    (Err(error), _) => {
                        tracing::warn!(path = %self.bound.path().display(), %error, "cannot accept a connection");
                        tokio::time::sleep(PAUSE).await;
                        continue;
                    }
                    // Nobody closes the semaphore.
                    (_, Err(_closed)) => std::future::pending().await,
                },
                _ = self.look.tick() => {
                    if self.bound.is_there() {
                        continue;
                    }
                    "it was taken away"
                }
                () = self.renewal.notified() => "kubelet must see it come again",
            };
            self.renew(reason);
        }
    }

    fn renew(&mut self, reason: &'static str) {
        let path = self.bound.path().to_owned();
        match Bound::new(&path) {
            Ok((bound, listener)) => {
                tracing::warn!(path = %path.display(), reason, "made the socket anew");
                // The old one's end removes nothing: the path is not its own any more.
                (self.bound, self.listener) = (bound, listener);
            }
            // The next look tries again, and until then the probe says so as well.
            Err(error) => {
                tracing::error!(
                    error = esi_core::chain(&error),
                    reason,
                    "cannot make the socket anew"
                );
            }
        }
    }
}

#[cfg(test)]
mod tests;
