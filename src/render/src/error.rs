//! Why an output could not be rendered: where, what, and what to write instead. Never a value.

use std::fmt;

use esi_core::{Classify, Code, Credential, Retry};
use thiserror::Error;

use crate::MAX_RENDERED_BYTES;

/// One output that could not be rendered, with its place in the plan.
#[derive(Debug, Error)]
#[error("{place}: {fault}")]
pub struct RenderError {
    place: String,
    fault: Fault,
}

impl RenderError {
    pub(crate) fn new(place: String, fault: Fault) -> Self {
        Self { place, fault }
    }

    /// Which output, such as ``files[0] `db.json` ``.
    #[must_use]
    pub fn place(&self) -> &str {
        &self.place
    }

    /// What is wrong with it.
    #[must_use]
    pub fn fault(&self) -> &Fault {
        &self.fault
    }
}

/// What is wrong with one output.
#[derive(Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// The plan names a key that the credential lacks.
    #[error("the credential has no key `{key}`; {available}")]
    MissingKey {
        /// The key.
        key: String,
        /// What there is, as a clause. Names of keys are not secret.
        available: String,
    },
    /// The output cannot hold this value so that its reader gets the same bytes.
    #[error("the value{} {trouble}, which {target} cannot hold: {}", of(key.as_deref()), target.advice())]
    Unrepresentable {
        /// Whose value; none where it is a template's.
        key: Option<String>,
        /// What the value has.
        trouble: Trouble,
        /// What cannot hold it.
        target: Target,
    },
    /// A key gives no variable name.
    #[error("the key `{key}` gives the variable name `{name}`, which starts with a digit: {RENAME}")]
    BadName {
        /// The key.
        key: String,
        /// What it would be called.
        name: String,
    },
    /// All keys are to be variables, and this one cannot be.
    #[error(
        "the key `{key}` is no name of a variable, which has letters, digits, `_`, `-` and `.` and starts with no \
         digit: name the variables one by one in `env`, without `allKeys`"
    )]
    NoVariable {
        /// The key.
        key: String,
    },
    /// Two keys give one variable name.
    #[error("the keys `{first}` and `{second}` both give the variable name `{name}`: {RENAME}")]
    NameCollision {
        /// The one key.
        first: String,
        /// The other.
        second: String,
        /// What both would be called.
        name: String,
    },
    /// A template did not render.
    #[error("the template{} {problem}", at_line(*line))]
    Template {
        /// Line of the template, counted from 1, where known.
        line: Option<usize>,
        /// What went wrong.
        problem: TemplateProblem,
    },
    /// The binding's outputs are larger than [`MAX_RENDERED_BYTES`] together.
    #[error(
        "with this output the binding has more than {MAX_RENDERED_BYTES} bytes: ask for fewer or smaller outputs"
    )]
    TooLarge,
}

const RENAME: &str = "use `format: json`, or name the outputs one by one with `key`";

/// What a value has that some output cannot hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Trouble {
    /// `'`.
    #[error("has a single quote")]
    SingleQuote,
    /// `'` and, beside it, `"` or `$`.
    #[error("has a single quote beside a double quote or a dollar sign")]
    MixedQuotes,
    /// `\`.
    #[error("has a backslash")]
    Backslash,
    /// `${`, which some readers expand in every kind of quotes.
    #[error("has `${{`")]
    Expansion,
    /// A carriage return, which readers drop or turn into a line feed.
    #[error("has a carriage return")]
    CarriageReturn,
    /// A carriage return before a line feed, which the reader drops.
    #[error("has a carriage return before a line feed")]
    CarriageReturnLineFeed,
    /// A NUL byte.
    #[error("has a NUL byte")]
    Nul,
    /// No bytes at all; kubelet takes an empty value as a missing one.
    #[error("is empty")]
    Empty,
    /// Bytes that are not UTF-8.
    #[error("is not UTF-8")]
    NotUtf8,
    /// A line that kubelet's scanner gives up on.
    #[error("has a line of 64 KiB or more")]
    LongLine,
    /// More than Linux lets one variable have.
    #[error("has, with its name, 128 KiB or more")]
    LongVariable,
}

/// What the value was to go into.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Target {
    /// A variable that kubelet reads from the env file (`fileKeyRef`).
    KubeletVariable,
    /// A variable of a process that is started.
    ProcessVariable,
    /// A file of the format `env`.
    EnvFormat,
    /// A file of the format `dotenv`.
    DotenvFormat,
    /// A file of the format `json`.
    JsonFormat,
    /// A template.
    Template,
}

impl Target {
    fn advice(self) -> &'static str {
        match self {
            Self::KubeletVariable => "deliver it as a file, or use `env-method: exec`",
            Self::ProcessVariable => "deliver it as a file with `key`",
            Self::EnvFormat | Self::DotenvFormat => "use `format: json`, or a file of its own with `key`",
            Self::JsonFormat => "use a file of its own with `key`",
            Self::Template => "use a file of its own with `key`, which takes any bytes",
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::KubeletVariable => "a variable read by Kubernetes from a file (`fileKeyRef`)",
            Self::ProcessVariable => "an environment variable",
            Self::EnvFormat => "the format `env`",
            Self::DotenvFormat => "the format `dotenv`",
            Self::JsonFormat => "the format `json`",
            Self::Template => "a template",
        })
    }
}

/// What went wrong in a template. The engine's own words are used only where no value can be in them.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum TemplateProblem {
    /// It does not parse.
    #[error("is not valid: {detail}")]
    Syntax {
        /// The parser's words, which know the template and no value.
        detail: String,
    },
    /// It uses something that is not there.
    #[error("uses {names} which is not defined; {available}")]
    Undefined {
        /// The names that nothing defines, as a clause; where unknown, a general one.
        names: String,
        /// What there is, as a clause.
        available: String,
    },
    /// It applies a filter or test that is not there, or not allowed.
    #[error("uses the {kind} `{}`, which templates do not have; they have {available}", name.escape_debug())]
    Unknown {
        /// `filter` or `test`.
        kind: &'static str,
        /// Its name.
        name: String,
        /// Those there are.
        available: String,
    },
    /// It uses a part of the language that could take any amount of work or memory.
    #[error("uses {what}, which templates may not: they work on texts, numbers and `credential`")]
    Forbidden {
        /// Which part.
        what: &'static str,
    },
    /// It passes the wrong arguments, or operates on something that does not allow it.
    #[error("uses an operation or arguments that these values do not allow")]
    Operation,
    /// It would take more work or memory than one binding may.
    #[error("takes more work or memory than one binding may: make it simpler")]
    OutOfFuel,
    /// The engine gave no answer.
    #[error("engine could not be run")]
    Engine,
}

fn of(key: Option<&str>) -> String {
    key.map(|key| format!(" of the key `{key}`")).unwrap_or_default()
}

fn at_line(line: Option<usize>) -> String {
    line.map(|line| format!(" (line {line})")).unwrap_or_default()
}

/// Most keys that a message lists.
const LISTED_KEYS: usize = 16;

/// "it has `a`, `b`", for messages.
pub(crate) fn available(credential: &Credential) -> String {
    if credential.is_empty() {
        return "it has none at all".to_owned();
    }
    let listed: Vec<String> = credential
        .keys()
        .take(LISTED_KEYS)
        .map(|key| format!("`{key}`"))
        .collect();
    match credential.len().saturating_sub(LISTED_KEYS) {
        0 => format!("it has {}", listed.join(", ")),
        more => format!("it has {} and {more} more", listed.join(", ")),
    }
}

impl Classify for RenderError {
    fn code(&self) -> Code {
        match self.fault {
            Fault::TooLarge
            | Fault::Template {
                problem: TemplateProblem::OutOfFuel,
                ..
            } => Code::ResourceExhausted,
            Fault::Template {
                problem: TemplateProblem::Engine,
                ..
            } => Code::Internal,
            // The plan is well formed; it and the credential do not fit each other.
            _ => Code::FailedPrecondition,
        }
    }

    fn retry(&self) -> Retry {
        match self.fault {
            // Another credential may have no such character.
            Fault::Unrepresentable { .. } => Retry::Backoff,
            _ => Retry::Never,
        }
    }

    fn kind(&self) -> &'static str {
        match self.fault {
            Fault::MissingKey { .. } => "render_missing_key",
            Fault::Unrepresentable { .. } => "render_unrepresentable",
            Fault::BadName { .. } | Fault::NoVariable { .. } | Fault::NameCollision { .. } => {
                "render_variable_name"
            }
            Fault::Template { .. } => "render_template",
            Fault::TooLarge => "render_too_large",
        }
    }
}
