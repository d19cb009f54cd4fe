//! Why a pod cannot get what it asks for.

use esi_core::{Classify, Code, Retry};
use thiserror::Error;

use super::names::{BIN, INIT_CONTAINER, INIT_POSITION_ANNOTATION, INJECTED_ANNOTATION};
use crate::pod::PodError;

/// Why a pod cannot get what it asks for. The message is for its author: what is wrong, where, and the line to write.
#[derive(Debug, Error, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum MutateError {
    /// Kubernetes would not take the pod either.
    #[error("the pod is not as Kubernetes has it: {0}")]
    Malformed(#[from] PodError),
    /// Windows has neither tmpfs nor the driver.
    #[error(
        "the pod runs on Windows, where credentials cannot be kept in memory: remove the annotations of \
         esi.external-secrets.io from it"
    )]
    Windows,
    /// `fileKeyRef` would silently set variables to nothing.
    #[error(
        "{origin} has environment variables, which need Kubernetes 1.35 everywhere, and {what}: upgrade it, or write \
         `env-method: exec` (`envMethod: exec` in an Injection)"
    )]
    EnvFiles {
        /// Whose binding.
        origin: String,
        /// What is too old, or not known.
        what: String,
    },
    /// A binding names a server that the operator did not configure.
    #[error(
        "{origin} names the server `{server}`, which is not configured here; there is {known}: set `server`"
    )]
    UnknownServer {
        /// Whose binding.
        origin: String,
        /// The server.
        server: String,
        /// Those that are configured.
        known: String,
    },
    /// A binding names a container that the pod has not.
    #[error(
        "{origin} names the container `{name}`, which the pod has not; it has {known}: correct `containers`"
    )]
    UnknownContainer {
        /// Whose binding.
        origin: String,
        /// The container.
        name: String,
        /// The containers of the pod.
        known: String,
    },
    /// A container cannot be told from another of the same name.
    #[error("two containers of the pod are named `{name}`: rename one")]
    SameName {
        /// The name.
        name: String,
    },
    /// Something of the pod has one of our names, or refers to it.
    #[error("{what} `{name}` of the pod has a name that is kept for injection: {remedy}")]
    Taken {
        /// What it is.
        what: &'static str,
        /// Its name.
        name: String,
        /// What to do.
        remedy: &'static str,
    },
    /// A binding whose volume would have the name of another of our volumes.
    #[error("{origin}: the binding name `{binding}` is kept for injection itself: choose another")]
    ReservedBinding {
        /// Whose binding.
        origin: String,
        /// The binding.
        binding: String,
    },
    /// A binding is there twice.
    #[error("{origin}: the binding `{binding}` is there twice: rename one")]
    SameBinding {
        /// Whose binding.
        origin: String,
        /// The binding.
        binding: String,
    },
    /// A container already has something where files would go.
    #[error(
        "{origin} puts its files at {path} in the container `{container}`, where {other}: set another mount path"
    )]
    MountPath {
        /// Whose binding.
        origin: String,
        /// The container.
        container: String,
        /// Where.
        path: String,
        /// What is in the way.
        other: String,
    },
    /// Two bindings set one variable of a container.
    #[error(
        "{origin} and {other} both set the variable `{variable}` of the container `{container}`: rename one, or name \
         different `containers`"
    )]
    Variable {
        /// Whose binding.
        origin: String,
        /// Whose other binding.
        other: String,
        /// The container.
        container: String,
        /// The variable.
        variable: String,
    },
    /// An init container would run before the one that fetches for it.
    #[error(
        "{origin} names the init container `{container}`, which runs before {INIT_CONTAINER}: write \
         `{INIT_POSITION_ANNOTATION}: before:{container}`"
    )]
    TooEarly {
        /// Whose binding.
        origin: String,
        /// The container.
        container: String,
    },
    /// The position refers to an init container that the pod has not.
    #[error(
        "{INIT_POSITION_ANNOTATION} names the init container `{name}`, which the pod has not; it has {known}: write \
         `first`, `before:NAME` or `after:NAME`"
    )]
    UnknownPosition {
        /// The container.
        name: String,
        /// The init containers of the pod.
        known: String,
    },
    /// A mesh takes the init container's traffic to a proxy that does not run yet.
    #[error(
        "{mesh} captures traffic before any init container runs, and its proxy starts only after them, so that \
         {INIT_CONTAINER} could reach no server: run the proxy as a native sidecar, or exclude the server from capture \
         with {exclusion} and write `{INIT_POSITION_ANNOTATION}: first`"
    )]
    Mesh {
        /// The mesh.
        mesh: &'static str,
        /// Its own annotation that excludes traffic.
        exclusion: &'static str,
    },
    /// A command cannot be wrapped, since only the image knows it.
    #[error(
        "{origin} starts the command of the container `{container}` with its variables, and the container states none: \
         write the image's own as `command: [\"/path/of/the/program\"]`"
    )]
    NoCommand {
        /// Whose binding.
        origin: String,
        /// The container.
        container: String,
    },
    /// A command that starts as ours do, in a pod that is not marked.
    #[error(
        "the command of the container `{container}` already starts with {BIN}: remove it up to `--`, it is written here"
    )]
    Wrapped {
        /// The container.
        container: String,
    },
    /// Two answers of the pod do not go together.
    #[error("{origin} asks for {one} together with {other}: {remedy}")]
    Together {
        /// Whose binding.
        origin: String,
        /// One.
        one: &'static str,
        /// The other.
        other: &'static str,
        /// The line to write.
        remedy: &'static str,
    },
    /// What is ours in a marked pod could not be taken out.
    #[error(
        "the pod is marked as injected, and what is injected cannot be taken out of it: remove the annotation \
         {INJECTED_ANNOTATION} and everything whose name starts with `esi-`"
    )]
    Strip,
    /// The patch could not be written.
    #[error("the change of this pod cannot be written: this is a defect of the webhook, not of the pod")]
    Unwritten,
    /// More than a pod can carry.
    #[error("{what}: {count}, and at most {max} are taken: {remedy}")]
    TooMuch {
        /// What there is too much of.
        what: &'static str,
        /// How much there is.
        count: usize,
        /// How much there may be.
        max: usize,
        /// What to do.
        remedy: &'static str,
    },
}

impl MutateError {
    /// A stable name of low cardinality, for metrics.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Malformed(_) => "malformed_pod",
            Self::Windows => "windows",
            Self::EnvFiles { .. } => "env_files",
            Self::UnknownServer { .. } => "unknown_server",
            Self::UnknownContainer { .. } => "unknown_container",
            Self::SameName { .. } => "same_name",
            Self::Taken { .. } => "name_taken",
            Self::ReservedBinding { .. } => "reserved_binding",
            Self::SameBinding { .. } => "same_binding",
            Self::MountPath { .. } => "mount_path",
            Self::Variable { .. } => "variable",
            Self::TooEarly { .. } => "too_early",
            Self::UnknownPosition { .. } => "unknown_position",
            Self::Mesh { .. } => "mesh",
            Self::NoCommand { .. } => "no_command",
            Self::Wrapped { .. } => "wrapped",
            Self::Together { .. } => "together",
            Self::Strip => "strip",
            Self::Unwritten => "unwritten",
            Self::TooMuch { .. } => "too_much",
        }
    }
}

impl Classify for MutateError {
    fn code(&self) -> Code {
        match self {
            Self::EnvFiles { .. } | Self::UnknownServer { .. } => Code::FailedPrecondition,
            _ => Code::InvalidArgument,
        }
    }

    fn retry(&self) -> Retry {
        Retry::Never
    }

    fn kind(&self) -> &'static str {
        self.reason()
    }
}

/// Text of a user as messages show it: cut, and without control characters.
pub(super) fn shown(text: &str) -> String {
    const MAX_CHARS: usize = 64;
    text.chars()
        .take(MAX_CHARS)
        .flat_map(char::escape_debug)
        .collect()
}

/// Some names as messages show them.
pub(super) fn shown_list<'n>(names: impl IntoIterator<Item = &'n str>) -> String {
    const MAX_NAMES: usize = 8;
    let mut names = names.into_iter();
    let mut list = names
        .by_ref()
        .take(MAX_NAMES)
        .map(|name| format!("`{}`", shown(name)))
        .collect::<Vec<_>>();
    if list.is_empty() {
        return "none".to_owned();
    }
    let more = names.count();
    if more > 0 {
        list.push(format!("{more} more"));
    }
    list.join(", ")
}
