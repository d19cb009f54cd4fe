//! What a call came back with instead of an answer, and what that means to a caller.

use std::time::Duration;

use serde::Deserialize;
use thiserror::Error;

use crate::error::GeneratorError;

/// Most characters of Vault's own words that are kept for the log.
const MAX_WORDS: usize = 300;

/// Why there is no answer. `Display` is for the log: it may name the host, and holds no body, token or value.
#[derive(Debug, Error)]
pub(in crate::vault) enum Failure {
    /// Vault answered with an error.
    #[error("status {status}: {words}")]
    Status {
        /// The HTTP status.
        status: u16,
        /// Vault's `errors`, shortened, without what was sent to it.
        words: String,
    },
    /// The connection could not be made, or broke.
    #[error("the connection failed: {0}")]
    Connection(String),
    /// Something answered that does not speak HTTP.
    #[error("what answers there does not speak HTTP")]
    NotHttp,
    /// The answer is longer than any that Vault gives.
    #[error("the answer is longer than {0} bytes")]
    TooLong(usize),
    /// The answer is not what Vault would say. The content is not shown: it may hold a credential.
    #[error("{0}")]
    Malformed(&'static str),
    /// The request could not be built.
    #[error("the request could not be built: {0}")]
    Unsendable(&'static str),
    /// No answer in time.
    #[error("no answer within {} ms", .0.as_millis())]
    Timeout(Duration),
}

impl Failure {
    /// A status that says no, with the words of its body.
    pub(super) fn status(status: u16, body: &[u8], secrets: &[&str]) -> Self {
        Self::Status {
            status,
            words: words(body, secrets),
        }
    }

    /// Whether Vault refused with a 4xx status and words that contain one of `phrases` (lower case).
    pub(in crate::vault) fn says(&self, phrases: &[&str]) -> bool {
        match self {
            Self::Status { status, words } if (400..500).contains(status) => {
                let words = words.to_ascii_lowercase();
                phrases.iter().any(|phrase| words.contains(phrase))
            }
            _ => false,
        }
    }

    /// Whether Vault itself answered, so that it can be asked to clean up.
    pub(in crate::vault) fn answered(&self) -> bool {
        matches!(self, Self::Status { .. } | Self::TooLong(_) | Self::Malformed(_))
    }

    /// What it means for most calls: 403 is our access, another 4xx our request, the rest Vault's state.
    pub(in crate::vault) fn during(self, action: &'static str) -> GeneratorError {
        match self {
            Self::Timeout(after) => GeneratorError::Timeout { action, after },
            Self::Status {
                status: 401 | 403, ..
            } => GeneratorError::Refused {
                action,
                source: self.into(),
            },
            // 412, 472 and 473 are a standby's, 429 a quota's; they pass.
            Self::Status {
                status: 412 | 429 | 472 | 473,
                ..
            } => self.unavailable(action),
            Self::Status {
                status: 400..=499, ..
            } => GeneratorError::Rejected {
                action,
                source: self.into(),
            },
            Self::Status { .. } | Self::Connection(_) => self.unavailable(action),
            Self::NotHttp | Self::TooLong(_) | Self::Malformed(_) => GeneratorError::BadAnswer {
                action,
                problem: self.into(),
            },
            Self::Unsendable(_) => GeneratorError::Rejected {
                action,
                source: self.into(),
            },
        }
    }

    /// For a login: Vault answers 400 to a wrong secret id or an expired JWT, which is our access.
    pub(in crate::vault) fn during_login(self) -> GeneratorError {
        const ACTION: &str = "log in";
        match self {
            Self::Status { status: 400, .. } => GeneratorError::Refused {
                action: ACTION,
                source: self.into(),
            },
            other => other.during(ACTION),
        }
    }

    /// For a call that must succeed in the end (renewing, revoking): Vault answers 400 while the backend behind
    /// an engine is down, so such an answer passes.
    pub(in crate::vault) fn passing(self, action: &'static str) -> GeneratorError {
        match self {
            Self::Status { status: 400, .. } => self.unavailable(action),
            other => other.during(action),
        }
    }

    fn unavailable(self, action: &'static str) -> GeneratorError {
        GeneratorError::Unavailable {
            action,
            source: self.into(),
        }
    }
}

/// The `errors` of a body in one short line, without any of `secrets` (a server may echo what it was sent).
fn words(body: &[u8], secrets: &[&str]) -> String {
    #[derive(Deserialize)]
    struct Errors {
        #[serde(default)]
        errors: Vec<String>,
    }
    let Ok(Errors { errors }) = serde_json::from_slice(body) else {
        return "(no words of Vault's)".to_owned();
    };
    if errors.is_empty() {
        return String::new();
    }
    let mut text = errors.join("; ");
    for secret in secrets.iter().filter(|secret| !secret.is_empty()) {
        text = text.replace(secret, "<redacted>");
    }
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    line.chars().filter(|c| !c.is_control()).take(MAX_WORDS).collect()
}

#[cfg(test)]
mod tests {
    use esi_core::{Classify as _, Code};

    use super::*;

    fn status(status: u16) -> Failure {
        Failure::status(status, br#"{"errors":["no"]}"#, &[])
    }

    #[test]
    fn our_access_our_request_and_vaults_state_are_told_apart() {
        assert!(matches!(status(403).during("x"), GeneratorError::Refused { .. }));
        assert!(matches!(status(404).during("x"), GeneratorError::Rejected { .. }));
        for passing in [307, 412, 429, 472, 473, 500, 502, 503] {
            assert_eq!(status(passing).during("x").code(), Code::Unavailable, "{passing}");
        }
    }

    #[test]
    fn a_wrong_secret_id_is_our_access_and_a_failed_revocation_passes() {
        assert!(matches!(
            status(400).during_login(),
            GeneratorError::Refused { .. }
        ));
        assert!(matches!(
            status(400).passing("revoke"),
            GeneratorError::Unavailable { .. }
        ));
    }

    #[test]
    fn what_was_sent_is_not_echoed_into_the_log() {
        let failure = Failure::status(
            400,
            br#"{"errors":["1 error occurred:\n\t* bad token s.SECRET\n"]}"#,
            &["s.SECRET", ""],
        );
        assert_eq!(
            failure.to_string(),
            "status 400: 1 error occurred: * bad token <redacted>"
        );
    }

    #[test]
    fn a_body_that_is_no_error_of_vaults_is_not_shown() {
        assert_eq!(
            Failure::status(502, b"<html>hunter2</html>", &[]).to_string(),
            "status 502: (no words of Vault's)"
        );
    }
}
