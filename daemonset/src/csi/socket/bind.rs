//! One file of a socket, from its hidden name to its end.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use socket2::{Domain, SockAddr, Socket, Type};
use tokio::net::UnixListener;

use super::SocketError;

/// Most bytes of an address (`sun_path`, with its end): unix(7).
const MAX_PATH: usize = 107;
/// Only the daemon's user, who is root, and so is kubelet.
const MODE: u32 = 0o600;
/// Connections that wait to be accepted: what a kubelet that starts a node's pods at once may dial before the daemon
/// has its turn. A full queue refuses, and costs grpc-go a second.
const BACKLOG: i32 = 1024;

/// The file at a path, removed with this if it still is the same.
#[derive(Debug)]
pub(super) struct Bound {
    path: PathBuf,
    /// Device and inode.
    file: (u64, u64),
}

impl Bound {
    /// Makes the socket under a hidden name, which kubelet ignores, and shows it once it listens.
    pub(super) fn new(path: &Path) -> Result<(Self, UnixListener), SocketError> {
        let length = path.as_os_str().len();
        let shown = || path.display().to_string();
        if length > MAX_PATH {
            return Err(SocketError::TooLong {
                path: shown(),
                length,
                max: MAX_PATH,
            });
        }
        let failed = |step| {
            move |source| SocketError::Io {
                path: shown(),
                step,
                source,
            }
        };
        let hidden = hidden(path);
        remove(&hidden).map_err(failed("removing an unfinished one"))?;
        let socket = Socket::new(Domain::UNIX, Type::STREAM.nonblocking().cloexec(), None);
        let socket = socket.map_err(failed("socket"))?;
        let address = SockAddr::unix(&hidden).map_err(failed("address"))?;
        socket.bind(&address).map_err(failed("bind"))?;
        // Before it listens: until then nobody can connect, whatever the umask left open.
        fs::set_permissions(&hidden, Permissions::from_mode(MODE)).map_err(failed("chmod"))?;
        socket.listen(BACKLOG).map_err(failed("listen"))?;
        let listener = UnixListener::from_std(socket.into()).map_err(failed("listener"))?;
        let file = identity(&hidden).map_err(failed("stat"))?;
        fs::rename(&hidden, path).map_err(failed("rename"))?;
        let path = path.to_owned();
        Ok((Self { path, file }, listener))
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether the path still leads to this socket.
    pub(super) fn is_there(&self) -> bool {
        identity(&self.path).is_ok_and(|file| file == self.file)
    }
}

impl Drop for Bound {
    fn drop(&mut self) {
        if self.is_there()
            && let Err(error) = remove(&self.path)
        {
            tracing::warn!(path = %self.path.display(), %error, "cannot remove the socket");
        }
    }
}

/// `.<name>` without `.sock`: shorter than the path, so that it is an address wherever the path is one.
fn hidden(path: &Path) -> PathBuf {
    let stem = path.file_stem().unwrap_or_default();
    let mut name = std::ffi::OsString::from(".");
    name.push(stem);
    path.with_file_name(name)
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    let found = fs::symlink_metadata(path)?;
    Ok((found.dev(), found.ino()))
}

pub(super) fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
