//! Writing as somebody else: the user of a pod, into the pod's volume.
//!
//! A volume that a pod may write to is hostile ground for root. As the pod's own user the writer can do there what the
//! pod could do itself, and no more: the kernel takes the privileges over files away together with the user
//! (capabilities(7), "Effect of user ID changes"). What the pod may forbid itself, it can forbid the writer: that is
//! reported, and the pod's own loss.

use std::io;
use std::thread;

use nix::unistd::{Gid, Uid, setfsgid, setfsuid};
use rustix::io::Errno;

use crate::error::{DeliveryError, Load};

/// An id that no user has: asking for it changes nothing, and the answer is the one in effect (setfsuid(2)).
const NOBODY: u32 = u32::MAX;

/// Does `work` as this user and group, as far as files are concerned, on a thread of its own that ends with it: no
/// other work ever runs as somebody else. Who is not stated is whoever this process is. Blocks.
///
/// # Errors
/// [`DeliveryError::Denied`] if this process may not be somebody else; nothing was done then. Those of `work`.
pub fn act_as<T: Send>(
    user: Option<u32>,
    group: Option<u32>,
    work: impl FnOnce() -> Result<T, DeliveryError> + Send,
) -> Result<T, DeliveryError> {
    let failed = |source| DeliveryError::Io {
        action: "start a thread to write",
        source,
    };
    thread::scope(|scope| {
        let thread = thread::Builder::new()
            .name("esi-writer".to_owned())
            .spawn_scoped(scope, || become_somebody(user, group).and_then(|()| work()))
            .map_err(failed)?;
        thread
            .join()
            .unwrap_or_else(|_panic| Err(failed(io::Error::other("it did not come to its end"))))
    })
}

/// Of this thread only: the kernel keeps both per thread, and the C library passes the calls on as they are.
fn become_somebody(user: Option<u32>, group: Option<u32>) -> Result<(), DeliveryError> {
    // The group first: without root's user it cannot be changed any more.
    let group = group.is_none_or(|group| {
        setfsgid(Gid::from_raw(group));
        setfsgid(Gid::from_raw(NOBODY)).as_raw() == group
    });
    let user = user.is_none_or(|user| {
        setfsuid(Uid::from_raw(user));
        setfsuid(Uid::from_raw(NOBODY)).as_raw() == user
    });
    if group && user {
        Ok(())
    } else {
        Err(Load { bytes: 0, files: 0 }.failed("act as the owner", Errno::PERM))
    }
}
