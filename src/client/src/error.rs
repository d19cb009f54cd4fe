//! Why a call failed, and what that means to its caller.

use std::error::Error;
use std::time::Duration;

use esi_core::credential::CredentialError;
use esi_core::{Classify, Code, Retry, span};
use thiserror::Error;

use crate::token::TokenError;

/// Why a server cannot be used at all.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// The host is no name or address, or the CA is none.
    #[error("its url's host or its CA is not usable")]
    Tls(#[source] tonic::transport::Error),
}

/// Why one attempt failed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum AttemptError {
    /// There was no token to show; nothing was sent.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// The server, or something in between, said no.
    #[error("the server said {code}: {message}", code = name(status.code()), message = status.message())]
    Status {
        /// What it said.
        status: Box<tonic::Status>,
    },
    /// Nobody was reached.
    #[error("there was no connection: check the server's url, and that it runs and can be reached from here")]
    NoConnection(#[source] Box<dyn Error + Send + Sync>),
    /// Somebody else was reached.
    #[error(
        "the server's certificate is not one that the CA given vouches for: check the server's url and its `ca`"
    )]
    Certificate(#[source] Box<dyn Error + Send + Sync>),
    /// The time of the attempt was over.
    #[error("there was no answer within {}: see the server's log, and what lies between", span::format(*.after))]
    NoAnswer {
        /// How long it was.
        after: Duration,
    },
    /// An answer came that is none.
    #[error("the server's answer is not understood")]
    Answer(#[source] AnswerError),
}

/// What is wrong with an answer.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum AnswerError {
    /// A credential came without its lease.
    #[error("it has no lease")]
    NoLease,
    /// A report was answered with more or fewer verdicts.
    #[error("it has {answered} verdicts on {reported} bindings")]
    Verdicts {
        /// How many were asked for.
        reported: usize,
        /// How many came.
        answered: usize,
    },
    /// The values are out of bounds.
    #[error(transparent)]
    Credential(#[from] CredentialError),
    /// A field is out of bounds.
    #[error(transparent)]
    Field(#[from] esi_api::convert::FieldError),
}

impl Classify for ConnectError {
    fn code(&self) -> Code {
        Code::FailedPrecondition
    }

    fn retry(&self) -> Retry {
        Retry::Never
    }

    fn kind(&self) -> &'static str {
        "server_unusable"
    }
}

impl Classify for AttemptError {
    fn code(&self) -> Code {
        match self {
            Self::Token(_) | Self::Certificate(_) => Code::Unauthenticated,
            Self::NoConnection(_) => Code::Unavailable,
            Self::NoAnswer { .. } => Code::DeadlineExceeded,
            Self::Answer(_) => Code::Internal,
            Self::Status { status } => code(status.code()),
        }
    }

    fn retry(&self) -> Retry {
        match self {
            Self::Status { status } => esi_api::status::retry(status),
            Self::NoConnection(_) | Self::NoAnswer { .. } => Retry::Backoff,
            Self::Token(_) | Self::Certificate(_) | Self::Answer(_) => Retry::Never,
        }
    }

    fn kind(&self) -> &'static str {
        match self {
            Self::Token(_) => "no_token",
            Self::Status { .. } => "server_said_no",
            Self::NoConnection(_) => "no_connection",
            Self::Certificate(_) => "wrong_certificate",
            Self::NoAnswer { .. } => "no_answer",
            Self::Answer(_) => "bad_answer",
        }
    }
}

/// A gRPC code in the terms of this project. A defect of the server is none of its caller's: it is down, as far as
/// one can tell from here.
fn code(code: tonic::Code) -> Code {
    match code {
        tonic::Code::Unauthenticated => Code::Unauthenticated,
        tonic::Code::PermissionDenied => Code::PermissionDenied,
        tonic::Code::InvalidArgument | tonic::Code::AlreadyExists | tonic::Code::OutOfRange => {
            Code::InvalidArgument
        }
        tonic::Code::NotFound => Code::NotFound,
        tonic::Code::Unimplemented => Code::Unimplemented,
        tonic::Code::DeadlineExceeded => Code::DeadlineExceeded,
        tonic::Code::ResourceExhausted => Code::ResourceExhausted,
        tonic::Code::FailedPrecondition => Code::FailedPrecondition,
        tonic::Code::Aborted => Code::Aborted,
        tonic::Code::Ok
        | tonic::Code::Cancelled
        | tonic::Code::Unknown
        | tonic::Code::Internal
        | tonic::Code::Unavailable
        | tonic::Code::DataLoss => Code::Unavailable,
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
#[non_exhaustive]
pub enum CallError {
    /// The same call would fail again.
    #[error("refused")]
    Refused {
        /// How many there were.
        attempts: u32,
        /// The last of them.
        #[source]
        last: AttemptError,
    },
    /// Its budget was used up.
    #[error("the deadline was reached after {attempts} attempt(s)")]
    OutOfTime {
        /// How many there were.
        attempts: u32,
        /// The last of them, if there was time for any.
        #[source]
        last: Option<AttemptError>,
    },
    /// The server would take it later than the budget allows.
    #[error("the server asks to wait {}, longer than the deadline allows", span::format(*.asked))]
    AskedToWait {
        /// How long.
        asked: Duration,
        /// The attempt that it answered so.
        #[source]
        last: AttemptError,
    },
}

impl CallError {
    /// Whether the server certainly did nothing: the one attempt there was did not reach it, or it said no. An
    /// answer that was lost or not understood is no such thing.
    #[must_use]
    pub fn did_nothing(&self) -> bool {
        matches!(
            self,
            Self::Refused {
                attempts: 1,
                last: AttemptError::Token(_) | AttemptError::Certificate(_) | AttemptError::Status { .. },
            }
        )
    }
}

impl Classify for CallError {
    fn code(&self) -> Code {
        match self {
            Self::Refused { last, .. } => last.code(),
            Self::OutOfTime { .. } => Code::DeadlineExceeded,
            Self::AskedToWait { .. } => Code::Unavailable,
        }
    }

    fn retry(&self) -> Retry {
        match self {
            Self::Refused { .. } => Retry::Never,
            Self::OutOfTime { .. } => Retry::Backoff,
            Self::AskedToWait { asked, .. } => Retry::After(*asked),
        }
    }

    fn kind(&self) -> &'static str {
        match self {
            Self::Refused { last, .. } | Self::AskedToWait { last, .. } => last.kind(),
            Self::OutOfTime { last, .. } => last.as_ref().map_or("out_of_time", Classify::kind),
        }
    }
}

/// A code as gRPC writes it, without the sentence that tonic's `Display` makes of it.
fn name(code: tonic::Code) -> String {
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
