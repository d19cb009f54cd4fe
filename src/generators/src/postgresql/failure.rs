//! What an error of PostgreSQL means, and how long is waited for it.

use std::io::ErrorKind;
use std::time::Duration;

use thiserror::Error;
use tokio::time::Instant;

use crate::error::GeneratorError;

/// SQLSTATE: a role is gone.
pub(super) const UNDEFINED_OBJECT: &str = "42704";
/// SQLSTATE: a role still owns or is granted something.
pub(super) const DEPENDENT_OBJECTS: &str = "2BP01";

/// The time that one call has in all.
#[derive(Debug, Clone, Copy)]
pub(super) struct Budget {
    ends: Instant,
    whole: Duration,
}

impl Budget {
    pub(super) fn new(whole: Duration) -> Self {
        Self {
            ends: Instant::now() + whole,
            whole,
        }
    }

    /// What is left of it.
    pub(super) fn left(&self) -> Duration {
        self.ends.saturating_duration_since(Instant::now())
    }

    /// `work`, cut off when the time is up.
    pub(super) async fn within<T>(
        &self,
        action: &'static str,
        work: impl Future<Output = Result<T, sqlx::Error>>,
    ) -> Result<T, Failure> {
        let error = match tokio::time::timeout_at(self.ends, work).await {
            Ok(Ok(value)) => return Ok(value),
            Ok(Err(error)) => Some(error),
            Err(_elapsed) => None,
        };
        Err(Failure {
            action,
            after: self.whole,
            error,
        })
    }

    /// The failure of `action` to be done in time.
    pub(super) fn late(&self, action: &'static str) -> Failure {
        Failure {
            action,
            after: self.whole,
            error: None,
        }
    }
}

/// A statement or connection that failed.
#[derive(Debug)]
pub(super) struct Failure {
    action: &'static str,
    /// The time that there was.
    after: Duration,
    /// `None`: it was not done in that time.
    error: Option<sqlx::Error>,
}

#[derive(Debug, Error)]
#[error("the connection cannot be protected as `sslMode` asks")]
struct Unprotected(#[source] sqlx::Error);

impl Failure {
    /// Whether the server answered with this SQLSTATE.
    pub(super) fn is(&self, sqlstate: &str) -> bool {
        matches!(&self.error, Some(sqlx::Error::Database(error)) if error.code().as_deref() == Some(sqlstate))
    }

    /// Whether the connection is gone, through no fault of the statement.
    pub(super) fn is_lost_connection(&self) -> bool {
        match &self.error {
            Some(sqlx::Error::Io(_)) => true,
            // The server is shutting down, or somebody ended the session.
            Some(sqlx::Error::Database(error)) => error.code().is_some_and(|code| code.starts_with("57P")),
            _ => false,
        }
    }
}

impl From<Failure> for GeneratorError {
    fn from(failure: Failure) -> Self {
        let Failure { action, after, error } = failure;
        let Some(error) = error else {
            return Self::Timeout { action, after };
        };
        match &error {
            sqlx::Error::Database(answer) => {
                let code = answer.code().unwrap_or_default().into_owned();
                if TIME_IS_UP.contains(&code.as_str()) {
                    return Self::Timeout { action, after };
                }
                by_sqlstate(&code, action, error)
            }
            sqlx::Error::Tls(_) => unprotected(error),
            // So rustls says that a certificate or a handshake is not right.
            sqlx::Error::Io(io) if io.kind() == ErrorKind::InvalidData => unprotected(error),
            sqlx::Error::Io(_) => Self::Unavailable {
                action,
                source: Box::new(error),
            },
            _ => Self::BadAnswer {
                action,
                problem: Box::new(error),
            },
        }
    }
}

/// The time of the statement, the lock or the idle transaction was up (each is what was left of ours), or the mint's
/// deadline had passed (see `sql::close_mint`).
const TIME_IS_UP: [&str; 4] = ["57014", "55P03", "25P03", "22012"];

fn unprotected(error: sqlx::Error) -> GeneratorError {
    GeneratorError::Misconfigured {
        field: "spec.sslMode",
        problem: Box::new(Unprotected(error)),
    }
}

/// The classes and codes are those of PostgreSQL's appendix A.
fn by_sqlstate(code: &str, action: &'static str, error: sqlx::Error) -> GeneratorError {
    let source = Box::new(error);
    match code {
        // An error without a code is not PostgreSQL's.
        "" => GeneratorError::BadAnswer {
            action,
            problem: source,
        },
        // Wrong password, no such admin, not allowed by pg_hba.conf; not privileged.
        "28000" | "28P01" | "42501" => GeneratorError::Refused { action, source },
        // Connection lost; a serialisation failure or a deadlock; too many connections, out of memory or disk;
        // shutting down or starting up; a row of the catalogs changed under us; read-only after a fail-over.
        code if ["08", "40", "53", "57", "XX", "25"]
            .iter()
            .any(|class| code.starts_with(class)) =>
        {
            GeneratorError::Unavailable { action, source }
        }
        _ => GeneratorError::Rejected { action, source },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused_connection() -> Failure {
        Failure {
            action: "connect",
            after: Duration::from_secs(1),
            error: Some(sqlx::Error::Io(ErrorKind::ConnectionRefused.into())),
        }
    }

    #[test]
    fn a_server_that_is_not_there_may_come_back() {
        assert!(refused_connection().is_lost_connection());
        let error = GeneratorError::from(refused_connection());
        assert!(matches!(error, GeneratorError::Unavailable { .. }), "{error:?}");
    }

    #[test]
    fn a_bad_certificate_is_the_manifests_matter() {
        let failure = Failure {
            action: "connect",
            after: Duration::from_secs(1),
            error: Some(sqlx::Error::Io(ErrorKind::InvalidData.into())),
        };
        let error = GeneratorError::from(failure);
        assert!(
            matches!(
                error,
                GeneratorError::Misconfigured {
                    field: "spec.sslMode",
                    ..
                }
            ),
            "{error:?}"
        );
    }
}
