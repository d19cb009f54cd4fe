//! What can go wrong at a backend, classified.

use std::error::Error;
use std::time::Duration;

use esi_core::names::GeneratorRef;
use esi_core::{Classify, Code, Retry};
use thiserror::Error;

type Source = Box<dyn Error + Send + Sync>;

/// Why a generator could not issue, renew or revoke. `Display` is what a pod may see; hosts and the backend's
/// own words are in the sources, for the log.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum GeneratorError {
    /// The catalog has no such generator.
    #[error(
        "there is no generator {reference}: check kind, namespace and name, or ask the platform team to add it"
    )]
    Unknown {
        /// Which.
        reference: GeneratorRef,
    },
    /// The manifest asks for something that cannot be. The operator must change it.
    #[error("the generator is misconfigured at `{field}`; the server's log says how")]
    Misconfigured {
        /// Which field of the manifest.
        field: &'static str,
        /// What is wrong with it.
        #[source]
        problem: Source,
    },
    /// A Secret that the manifest refers to is absent, or lacks the key.
    #[error("a Secret that the generator's `{field}` refers to is missing; the server's log says which")]
    SecretMissing {
        /// Which field of the manifest.
        field: &'static str,
        /// Which Secret and key.
        #[source]
        missing: Source,
    },
    /// The backend refused our admin credential or its privileges.
    #[error(
        "the backend refused the server's own access while it was to {action}; the server's log has the backend's words"
    )]
    Refused {
        /// What was being done.
        action: &'static str,
        /// The backend's words.
        #[source]
        source: Source,
    },
    /// The backend refused the request itself; the same request will be refused again.
    #[error("the backend rejected the request to {action}; the server's log has the backend's words")]
    Rejected {
        /// What was being done.
        action: &'static str,
        /// The backend's words.
        #[source]
        source: Source,
    },
    /// The backend is down, restarting or overloaded.
    #[error("the backend is not available while it was to {action}; it is tried again")]
    Unavailable {
        /// What was being done.
        action: &'static str,
        /// What was seen.
        #[source]
        source: Source,
    },
    /// No answer in time.
    #[error("the backend did not answer within {} ms while it was to {action}", after.as_millis())]
    Timeout {
        /// What was being done.
        action: &'static str,
        /// How long it was waited for.
        after: Duration,
    },
    /// The backend's answer makes no sense.
    #[error("the backend's answer could not be understood while it was to {action}")]
    BadAnswer {
        /// What was being done.
        action: &'static str,
        /// What is wrong with it (without the answer's content).
        #[source]
        problem: Source,
    },
    /// The lease cannot be renewed (any further); the workload must get a new credential.
    #[error("the credential cannot be renewed further")]
    NotRenewable,
    /// The handle could not be recorded, so the mint was given up.
    #[error("the server could not record its progress, so nothing was issued")]
    NotRecorded(#[source] crate::port::RecordError),
}

impl Classify for GeneratorError {
    fn code(&self) -> Code {
        match self {
            Self::Unknown { .. } => Code::NotFound,
            Self::Misconfigured { .. }
            | Self::SecretMissing { .. }
            | Self::Refused { .. }
            | Self::Rejected { .. } => Code::FailedPrecondition,
            Self::Unavailable { .. } | Self::NotRecorded(_) | Self::BadAnswer { .. } => Code::Unavailable,
            Self::Timeout { .. } => Code::DeadlineExceeded,
            Self::NotRenewable => Code::FailedPrecondition,
        }
    }

    fn retry(&self) -> Retry {
        match self {
            Self::Unknown { .. }
            | Self::Misconfigured { .. }
            | Self::Rejected { .. }
            | Self::NotRenewable => Retry::Never,
            // An operator may put the Secret or the grant in place while a pod waits.
            Self::SecretMissing { .. }
            | Self::Refused { .. }
            | Self::Unavailable { .. }
            | Self::Timeout { .. }
            | Self::BadAnswer { .. }
            | Self::NotRecorded(_) => Retry::Backoff,
        }
    }

    fn kind(&self) -> &'static str {
        match self {
            Self::Unknown { .. } => "generator_unknown",
            Self::Misconfigured { .. } => "generator_misconfigured",
            Self::SecretMissing { .. } => "generator_secret_missing",
            Self::Refused { .. } => "backend_refused",
            Self::Rejected { .. } => "backend_rejected",
            Self::Unavailable { .. } => "backend_unavailable",
            Self::Timeout { .. } => "backend_timeout",
            Self::BadAnswer { .. } => "backend_bad_answer",
            Self::NotRenewable => "not_renewable",
            Self::NotRecorded(_) => "not_recorded",
        }
    }
}
