//! How many files and connections this process may have open.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Raises the limit on open descriptors as far as this process may, and answers what it is then.
///
/// The limit that a process is started with, 1,024 on most systems, is low only for programs that use `select`
/// (which cannot see higher numbers); the one that it may raise it to is what the system really grants.
#[must_use]
pub fn raise() -> usize {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: maximum,
        maximum,
    };
    let reached = match setrlimit(Resource::Nofile, raised) {
        Ok(()) => maximum,
        // No limit is beyond the kernel's own.
        Err(_refused) => current,
    };
    reached.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_becomes_what_it_may_become() {
        let maximum = getrlimit(Resource::Nofile).maximum;
        // Only a little lower: other tests of this process go on.
        let low = Rlimit {
            current: maximum.map(|maximum| maximum - 1),
            maximum,
        };
        setrlimit(Resource::Nofile, low).unwrap();
        let raised = raise();
        assert_eq!(getrlimit(Resource::Nofile).current, maximum);
        assert_eq!(
            maximum.map(|maximum| usize::try_from(maximum).unwrap()),
            Some(raised)
        );
    }
}
