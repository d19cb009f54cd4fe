//! Keeps this process's memory, in which secrets pass through, out of core dumps and away from other processes of
//! the same user.

use std::io;

use esi_core::{Classify, Code, Retry};
use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};
use thiserror::Error;

/// The kernel did not allow it.
#[derive(Debug, Error)]
#[error("core dumps of this process cannot be forbidden, and its memory holds secrets")]
pub struct NotHidden(#[source] io::Error);

impl Classify for NotHidden {
    fn code(&self) -> Code {
        Code::Internal
    }

    fn retry(&self) -> Retry {
        Retry::Never
    }

    fn kind(&self) -> &'static str {
        "memory_not_hidden"
    }
}

/// Forbids core dumps and tracing of this process, for good. For a server that starts no other programs: the limit
/// would be theirs as well.
///
/// # Errors
/// If the kernel refuses.
pub fn hide() -> Result<(), NotHidden> {
    let none = Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    // The flag is not enough by itself: `fs.suid_dumpable=2` writes a core for root in spite of it.
    set_dumpable_behavior(DumpableBehavior::NotDumpable)
        .and_then(|()| setrlimit(Resource::Core, none))
        .map_err(|errno| NotHidden(errno.into()))
}

#[cfg(test)]
mod tests {
    use rustix::process::{dumpable_behavior, getrlimit};

    use super::*;

    #[test]
    fn nothing_can_dump_or_trace_this_process_any_more() {
        hide().unwrap();
        assert_eq!(dumpable_behavior().unwrap(), DumpableBehavior::NotDumpable);
        let limit = getrlimit(Resource::Core);
        assert_eq!((limit.current, limit.maximum), (Some(0), Some(0)));
    }
}
