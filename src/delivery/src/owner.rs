//! Who gets what is written.

use std::os::fd::AsFd;

use rustix::fs::{Gid, Uid, fchown};
use rustix::io::Result;

/// Whose the files and directories of a generation are. What is not said stays as the system makes it: this
/// process's user, and its group or that of a set-group-id directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Owner {
    /// The user.
    pub user: Option<u32>,
    /// The group.
    pub group: Option<u32>,
}

impl Owner {
    pub(crate) fn take(self, of: impl AsFd) -> Result<()> {
        if self == Self::default() {
            return Ok(());
        }
        // To the system the last number means "nobody is meant", here as well.
        let said = |id: &u32| *id != u32::MAX;
        let user = self.user.filter(said).map(Uid::from_raw);
        let group = self.group.filter(said).map(Gid::from_raw);
        fchown(of, user, group)
    }
}
