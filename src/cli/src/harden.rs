//! Keeps this process's memory out of core dumps and away from other processes of the same user.

use std::io;

use rustix::process::{DumpableBehavior, Resource, Rlimit, getrlimit, set_dumpable_behavior, setrlimit};

/// The limit on core dumps that this process was started with. It is inherited, unlike the dumpable flag (which
/// an `execve` sets again), so the command gets it back.
#[derive(Debug)]
pub(crate) struct CoreLimit(Rlimit);

/// Forbids core dumps and tracing of this process.
///
/// # Errors
/// If the kernel refuses.
pub(crate) fn harden() -> io::Result<CoreLimit> {
    set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    let limit = CoreLimit(getrlimit(Resource::Core));
    limit.forbid()?;
    Ok(limit)
}

impl CoreLimit {
    /// Gives the limit back, for the command about to be started.
    pub(crate) fn restore(&self) -> io::Result<()> {
        Ok(setrlimit(Resource::Core, self.0)?)
    }

    /// Forbids core dumps again. Only the soft limit: a lowered hard limit could never be given back.
    pub(crate) fn forbid(&self) -> io::Result<()> {
        let none = Rlimit {
            current: Some(0),
            maximum: self.0.maximum,
        };
        Ok(setrlimit(Resource::Core, none)?)
    }
}
