//! Why what a pod asks for cannot be had.

use esi_core::names::{Namespace, ObjectName};
use esi_core::{Classify, Code, Retry};
use thiserror::Error;

use super::text::Text;

/// Why what a pod asks for cannot be had. The message is for who wrote the pod: where, what, and what to write. It
/// has at most a few hundred words and no control character, whatever the annotations are.
#[derive(Debug, Error, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum AskError {
    /// An annotation of our prefix that nobody reads.
    #[error("annotation `{annotation}` is not known: {known}")]
    UnknownAnnotation {
        /// Its name.
        annotation: Text,
        /// Those that are known.
        known: Text,
    },
    /// A value that is not what it should be.
    #[error("{place}: {problem}")]
    Malformed {
        /// The annotation, and the entry of it.
        place: Text,
        /// What is wrong and what to write.
        problem: Text,
    },
    /// Something else is needed too.
    #[error("{place}: {problem}")]
    Incomplete {
        /// The annotation that needs it.
        place: Text,
        /// What is missing and what to write.
        problem: Text,
    },
    /// Both prefixes say what the pod gets.
    #[error(
        "annotation `{own}` and annotation `{original}` both say what this pod gets: keep one of them, and remove \
         the other annotations of its prefix"
    )]
    Mixed {
        /// One of ours.
        own: Text,
        /// One of the original's.
        original: Text,
    },
    /// There is no such Injection.
    #[error(
        "Injection `{injection}` does not exist in namespace `{namespace}` yet: apply it; a controller (Deployment, \
         Job, …) then creates the pod by itself, it tries again and again"
    )]
    InjectionMissing {
        /// Its name.
        injection: ObjectName,
        /// The pod's namespace.
        namespace: Namespace,
    },
    /// There is one, and it is not valid.
    #[error("Injection `{injection}` in namespace `{namespace}` cannot be used: {problem}")]
    InjectionBroken {
        /// Its name.
        injection: ObjectName,
        /// The pod's namespace.
        namespace: Namespace,
        /// What is wrong with it.
        problem: Text,
    },
    /// A federation server that the operator did not configure.
    #[error("{place}: there is no federation server `{server}`; {configured}")]
    UnknownServer {
        /// What names it.
        place: Text,
        /// Its name, or its URL.
        server: Text,
        /// Those that are configured.
        configured: Text,
    },
    /// Two bindings cannot be in one pod, or in one container.
    #[error("{first} and {second} {problem}")]
    Conflict {
        /// Where the one is stated.
        first: Text,
        /// Where the other is stated.
        second: Text,
        /// What both do, and what to write.
        problem: Text,
    },
    /// More than a pod may ask for.
    #[error("{place}: {problem}")]
    TooMuch {
        /// What is too long, or too many.
        place: Text,
        /// The bound.
        problem: Text,
    },
    /// Meant, understood, and not to be had in this way.
    #[error("{place}: {problem}")]
    NotOffered {
        /// What asks for it.
        place: Text,
        /// Why not, and what to write.
        problem: Text,
    },
}

impl AskError {
    pub(super) fn malformed(place: impl AsRef<str>, problem: impl AsRef<str>) -> Self {
        let (place, problem) = (Text::new(place), Text::new(problem));
        Self::Malformed { place, problem }
    }

    pub(super) fn incomplete(place: impl AsRef<str>, problem: impl AsRef<str>) -> Self {
        let (place, problem) = (Text::new(place), Text::new(problem));
        Self::Incomplete { place, problem }
    }

    pub(super) fn too_much(place: impl AsRef<str>, problem: impl AsRef<str>) -> Self {
        let (place, problem) = (Text::new(place), Text::new(problem));
        Self::TooMuch { place, problem }
    }

    pub(super) fn not_offered(place: impl AsRef<str>, problem: impl AsRef<str>) -> Self {
        let (place, problem) = (Text::new(place), Text::new(problem));
        Self::NotOffered { place, problem }
    }

    /// A stable name of the reason: a metric label, one of a closed set.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::UnknownAnnotation { .. } => "ask_unknown_annotation",
            Self::Malformed { .. } => "ask_malformed",
            Self::Incomplete { .. } => "ask_incomplete",
            Self::Mixed { .. } => "ask_mixed",
            Self::InjectionMissing { .. } => "ask_injection_missing",
            Self::InjectionBroken { .. } => "ask_injection_broken",
            Self::UnknownServer { .. } => "ask_unknown_server",
            Self::Conflict { .. } => "ask_conflict",
            Self::TooMuch { .. } => "ask_too_much",
            Self::NotOffered { .. } => "ask_not_offered",
        }
    }
}

impl Classify for AskError {
    fn code(&self) -> Code {
        match self {
            Self::InjectionMissing { .. } => Code::NotFound,
            Self::InjectionBroken { .. } | Self::UnknownServer { .. } => Code::FailedPrecondition,
            Self::NotOffered { .. } => Code::Unimplemented,
            Self::UnknownAnnotation { .. }
            | Self::Malformed { .. }
            | Self::Incomplete { .. }
            | Self::Mixed { .. }
            | Self::Conflict { .. }
            | Self::TooMuch { .. } => Code::InvalidArgument,
        }
    }

    fn retry(&self) -> Retry {
        match self {
            // Somebody else may apply it, mend it or configure it; the pod stays as it is.
            Self::InjectionMissing { .. } | Self::InjectionBroken { .. } | Self::UnknownServer { .. } => {
                Retry::Backoff
            }
            _ => Retry::Never,
        }
    }

    fn kind(&self) -> &'static str {
        self.reason()
    }
}
