//! Errors to gRPC statuses and back to what a client may do about them.

use std::time::Duration;

use esi_core::{Classify, Code, Retry};
use tonic::metadata::{AsciiMetadataValue, MetadataMap};

/// The metadata entry that says in how many whole seconds a retry may succeed.
pub const RETRY_AFTER: &str = "retry-after";
/// The metadata entry with the error's stable name.
pub const ERROR_KIND: &str = "esi-error";

/// The status that a caller sees: the error's public message, its code, its kind and when to retry.
#[must_use]
pub fn from_error(error: &impl Classify) -> tonic::Status {
    let mut metadata = MetadataMap::new();
    metadata.insert(ERROR_KIND, AsciiMetadataValue::from_static(error.kind()));
    if let Retry::After(after) = error.retry() {
        let seconds = after.as_secs() + u64::from(after.subsec_nanos() > 0);
        metadata.insert(RETRY_AFTER, AsciiMetadataValue::from(seconds));
    }
    tonic::Status::with_metadata(grpc_code(error.code()), error.to_string(), metadata)
}

/// The gRPC code of a core code.
#[must_use]
pub fn grpc_code(code: Code) -> tonic::Code {
    match code {
        Code::InvalidArgument => tonic::Code::InvalidArgument,
        Code::Unauthenticated => tonic::Code::Unauthenticated,
        Code::PermissionDenied => tonic::Code::PermissionDenied,
        Code::NotFound => tonic::Code::NotFound,
        Code::ResourceExhausted => tonic::Code::ResourceExhausted,
        Code::FailedPrecondition => tonic::Code::FailedPrecondition,
        Code::Aborted => tonic::Code::Aborted,
        Code::DeadlineExceeded => tonic::Code::DeadlineExceeded,
        Code::Unavailable => tonic::Code::Unavailable,
        Code::Unimplemented => tonic::Code::Unimplemented,
        Code::Internal => tonic::Code::Internal,
    }
}

/// What a client may do about a status.
#[must_use]
pub fn retry(status: &tonic::Status) -> Retry {
    if let Some(seconds) = retry_after(status) {
        return Retry::After(seconds);
    }
    match status.code() {
        tonic::Code::Unavailable
        | tonic::Code::DeadlineExceeded
        | tonic::Code::ResourceExhausted
        | tonic::Code::Aborted
        | tonic::Code::Cancelled
        | tonic::Code::Internal
        | tonic::Code::Unknown => Retry::Backoff,
        tonic::Code::Ok
        | tonic::Code::InvalidArgument
        | tonic::Code::NotFound
        | tonic::Code::AlreadyExists
        | tonic::Code::PermissionDenied
        | tonic::Code::FailedPrecondition
        | tonic::Code::OutOfRange
        | tonic::Code::Unimplemented
        | tonic::Code::DataLoss
        | tonic::Code::Unauthenticated => Retry::Never,
    }
}

fn retry_after(status: &tonic::Status) -> Option<Duration> {
    /// A server that asks for more than this is not waited for.
    const MAX: u64 = 3600;
    let seconds: u64 = status.metadata().get(RETRY_AFTER)?.to_str().ok()?.parse().ok()?;
    Some(Duration::from_secs(seconds.min(MAX)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("the backend is busy")]
    struct Busy;

    impl Classify for Busy {
        fn code(&self) -> Code {
            Code::Unavailable
        }
        fn retry(&self) -> Retry {
            Retry::After(Duration::from_millis(1500))
        }
        fn kind(&self) -> &'static str {
            "busy"
        }
    }

    #[test]
    fn a_status_carries_code_message_kind_and_when_to_retry() {
        let status = from_error(&Busy);
        assert_eq!(status.code(), tonic::Code::Unavailable);
        assert_eq!(status.message(), "the backend is busy");
        assert_eq!(status.metadata().get(ERROR_KIND).unwrap(), "busy");
        assert_eq!(retry(&status), Retry::After(Duration::from_secs(2)));
    }

    #[test]
    fn a_refusal_is_not_retried_and_an_outage_is() {
        assert_eq!(retry(&tonic::Status::permission_denied("")), Retry::Never);
        assert_eq!(retry(&tonic::Status::unavailable("")), Retry::Backoff);
    }
}
