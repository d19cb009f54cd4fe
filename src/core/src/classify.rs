//! What an error means to its caller, said where the error is defined.

use std::error::Error;
use std::fmt::Write as _;
use std::time::Duration;

/// The canonical status codes. `esi-api` maps them to gRPC, the REST routes to HTTP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Code {
    /// The request is malformed, whatever the state of the system.
    InvalidArgument,
    /// The caller's identity could not be verified.
    Unauthenticated,
    /// The caller is known and may not do this.
    PermissionDenied,
    /// The thing asked for does not exist.
    NotFound,
    /// A quota or a bound is reached; later it may work.
    ResourceExhausted,
    /// The system is not in a state that allows this; a retry alone will not help.
    FailedPrecondition,
    /// A newer request took this one's place.
    Aborted,
    /// The time given ran out.
    DeadlineExceeded,
    /// A part is down or refusing; a retry may help.
    Unavailable,
    /// This version cannot do it.
    Unimplemented,
    /// A defect, or a broken invariant.
    Internal,
}

/// Whether the same call may succeed later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// It will fail again until somebody changes something.
    Never,
    /// Try again with back-off.
    Backoff,
    /// Try again, not before this much time has passed.
    After(Duration),
}

/// Every error that crosses a crate's border classifies itself.
///
/// `Display` of such an error is its *public* message: it names no host, path or backend text, because it
/// may travel to a pod. Those belong into the sources, which [`chain`] joins for the log.
pub trait Classify: Error {
    /// The status code that a caller sees.
    fn code(&self) -> Code;
    /// Whether a retry may help.
    fn retry(&self) -> Retry;
    /// A stable name of low cardinality: a metric label and a log field.
    fn kind(&self) -> &'static str;
}

/// The error and all its sources in one line, for logs and command lines.
#[must_use]
pub fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        // Writing to a String cannot fail.
        write!(text, ": {cause}").unwrap_or_default();
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chain_joins_every_source_in_order() {
        #[derive(Debug, thiserror::Error)]
        #[error("outer")]
        struct Outer(#[source] std::io::Error);
        assert_eq!(chain(&Outer(std::io::Error::other("inner"))), "outer: inner");
    }
}
