//! Why a call failed, and what that means for the exit code.

use std::error::Error;
use std::time::Duration;

use esi_core::credential::CredentialError;
use esi_core::{Retry, span};
use thiserror::Error;
use tonic::Code;

use crate::exit::Exit;
use crate::token::TokenError;

/// Why a server cannot be used at all.
#[derive(Debug, Error)]
pub(crate) enum ConnectError {
    #[error("its url's host or its CA is not usable")]
    Tls(#[source] tonic::transport::Error),
}

/// Why one attempt failed.
#[derive(Debug, Error)]
pub(crate) enum AttemptError {
    #[error(transparent)]
    Token(#[from] TokenError),
    #[error("the server said {code}: {message}", code = name(status.code()), message = status.message())]
    Status { status: Box<tonic::Status> },
    #[error("there was no connection: check the server's url, and that it runs and can be reached from here")]
    NoConnection(#[source] Box<dyn Error + Send + Sync>),
    #[error(
        "the server's certificate is not one that the CA given vouches for: check the server's url and its `ca`"
    )]
    Certificate(#[source] Box<dyn Error + Send + Sync>),
    #[error("there was no answer within {}: see the server's log, and what lies between", span::format(*.after))]
    NoAnswer { after: Duration },
    #[error("the server's answer is not understood")]
    Answer(#[source] AnswerError),
}

/// What is wrong with an answer.
#[derive(Debug, Error)]
pub(crate) enum AnswerError {
    #[error("it has no lease")]
    NoLease,
    #[error(transparent)]
    Credential(#[from] CredentialError),
    #[error(transparent)]
    Field(#[from] esi_api::convert::FieldError),
}

impl AttemptError {
    /// Whether the same call may succeed later.
    pub(crate) fn retry(&self) -> Retry {
        match self {
            Self::Status { status } => esi_api::status::retry(status),
            Self::NoConnection(_) | Self::NoAnswer { .. } => Retry::Backoff,
            Self::Token(_) | Self::Certificate(_) | Self::Answer(_) => Retry::Never,
        }
    }

    fn exit(&self) -> Exit {
        match self {
            Self::Token(_) | Self::Certificate(_) => Exit::Refused,
            Self::NoConnection(_) | Self::NoAnswer { .. } => Exit::Unavailable,
            Self::Answer(_) => Exit::Internal,
            Self::Status { status } => match status.code() {
                Code::Unauthenticated | Code::PermissionDenied => Exit::Refused,
                Code::InvalidArgument
                | Code::NotFound
                | Code::AlreadyExists
                | Code::OutOfRange
                | Code::Unimplemented => Exit::Usage,
                Code::Ok
                | Code::Cancelled
                | Code::Unknown
                | Code::DeadlineExceeded
                | Code::ResourceExhausted
                | Code::FailedPrecondition
                | Code::Aborted
                | Code::Internal
                | Code::Unavailable
                | Code::DataLoss => Exit::Unavailable,
            },
        }
    }
}

/// What tonic makes of a failure, told apart: the server spoke, or there was nobody to speak.
impl From<tonic::Status> for AttemptError {
    fn from(status: tonic::Status) -> Self {
        match wrong_certificate(&status) {
            Some(source) => Self::Certificate(source),
            None if status
                .source()
                .is_some_and(|source| source.is::<tonic::transport::Error>()) =>
            {
                // The outer layers only say "transport error"; what happened is below them.
                Self::NoConnection(innermost(&status).into())
            }
            None => Self::Status {
                status: Box::new(status),
            },
        }
    }
}

/// The reason why TLS refused the server's certificate, if that is what failed.
fn wrong_certificate(status: &tonic::Status) -> Option<Box<dyn Error + Send + Sync>> {
    layers(status).find_map(|layer| {
        // An `io::Error` does not show what it wraps as its source, but as its inner error.
        let inner = layer
            .downcast_ref::<std::io::Error>()
            .and_then(std::io::Error::get_ref)
            .and_then(|inner| inner.downcast_ref::<tokio_rustls::rustls::Error>());
        let error = inner.or_else(|| layer.downcast_ref::<tokio_rustls::rustls::Error>())?;
        matches!(error, tokio_rustls::rustls::Error::InvalidCertificate(_)).then(|| error.clone().into())
    })
}

fn innermost(status: &tonic::Status) -> String {
    layers(status).last().map(ToString::to_string).unwrap_or_default()
}

fn layers(status: &tonic::Status) -> impl Iterator<Item = &(dyn Error + 'static)> {
    let mut next = status.source();
    std::iter::from_fn(move || {
        let layer = next?;
        next = layer.source();
        Some(layer)
    })
}

/// Why a call failed for good.
#[derive(Debug, Error)]
pub(crate) enum CallError {
    #[error("refused")]
    Refused {
        attempts: u32,
        #[source]
        last: AttemptError,
    },
    #[error("the deadline was reached after {attempts} attempt(s)")]
    OutOfTime {
        attempts: u32,
        #[source]
        last: Option<AttemptError>,
    },
    #[error("the server asks to wait {asked}, longer than the deadline allows")]
    AskedToWait {
        asked: String,
        #[source]
        last: AttemptError,
    },
}

impl CallError {
    /// Whether the server certainly did nothing: the one attempt there was did not reach it, or it said no. An
    /// answer that was lost or not understood is no such thing.
    pub(crate) fn did_nothing(&self) -> bool {
        matches!(
            self,
            Self::Refused {
                attempts: 1,
                last: AttemptError::Token(_) | AttemptError::Certificate(_) | AttemptError::Status { .. },
            }
        )
    }

    pub(crate) fn exit(&self) -> Exit {
        match self {
            Self::Refused { last, .. } => last.exit(),
            Self::OutOfTime { .. } | Self::AskedToWait { .. } => Exit::Unavailable,
        }
    }
}

/// A code as gRPC writes it, without the sentence that tonic's `Display` makes of it.
fn name(code: Code) -> String {
    format!("{code:?}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(attempts: u32, last: AttemptError) -> CallError {
        CallError::Refused { attempts, last }
    }

    #[test]
    fn only_a_plain_refusal_leaves_nothing_behind() {
        let status = || tonic::Status::permission_denied("").into();
        assert!(refused(1, status()).did_nothing());
        // The attempts before may have been answered, and the answers lost.
        assert!(!refused(2, status()).did_nothing());
        assert!(!refused(1, AttemptError::Answer(AnswerError::NoLease)).did_nothing());
        let last = Some(AttemptError::NoAnswer {
            after: Duration::from_secs(1),
        });
        assert!(!CallError::OutOfTime { attempts: 1, last }.did_nothing());
    }
}
