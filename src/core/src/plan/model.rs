//! The plan's types. They are built by [`Plan::parse`](super::Plan::parse) or through the constructors here;
//! either way they are valid.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::path::RelativePath;
use crate::names::{BindingName, GeneratorRef, Kind, NameError, ObjectName, ServerName};

/// One binding in full.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// Its name, unique in the pod.
    pub binding: BindingName,
    /// Which configured server to ask.
    pub server: ServerName,
    /// What to ask it for.
    pub source: Source,
    /// Time to live to ask for; the server's default (1 h) where absent.
    pub ttl: Option<Duration>,
    /// How long a generation in use stays alive beside the one that follows it; the server's default where absent.
    pub overlap: Option<Duration>,
    /// How variables reach the process.
    pub env_method: EnvMethod,
    /// Whether every key of the credential becomes a variable of its name, beside those of `env`, which win. Only
    /// with [`EnvMethod::Exec`]: Kubernetes wants the names of its own variables beforehand.
    pub all_keys: bool,
    /// Permissions of [`RelativePath::environ`]; [`FileMode::DEFAULT`] where absent. Only with
    /// [`EnvMethod::Exec`]: the file of the other method is read by kubelet alone.
    pub env_mode: Option<FileMode>,
    /// Environment variables, in order, unique by name.
    pub env: Vec<EnvOutput>,
    /// Files, in order, none on the way of another.
    pub files: Vec<FileOutput>,
}

impl Plan {
    /// Whether there are variables, be it that the credential has the keys for them.
    #[must_use]
    pub fn has_variables(&self) -> bool {
        self.all_keys || !self.env.is_empty()
    }

    /// Whether the variables go into the volume as [`RelativePath::environ`], for `esi-cli exec` to start the
    /// command with; so whether `exec` is to be told of that file.
    #[must_use]
    pub fn has_environ(&self) -> bool {
        self.env_method == EnvMethod::Exec && self.has_variables()
    }
}

/// Where the values come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// Minted by a generator.
    Generator(GeneratorRef),
    /// Read from a store.
    Secret(SecretRef),
}

/// One key of a secret store of the server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct SecretRef {
    /// `ClusterSecretStore` or `SecretStore`.
    pub store_kind: Kind,
    /// The store's name.
    pub store: ObjectName,
    /// The key in it.
    pub key: String,
}

/// How variables reach the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EnvMethod {
    /// kubelet reads them from an env file (`fileKeyRef`, Kubernetes 1.35): no command is touched.
    #[default]
    File,
    /// `esi-cli exec` starts the container's command with them, out of [`RelativePath::environ`]: for older
    /// clusters, and for values that an env file cannot hold.
    Exec,
}

/// One environment variable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnvOutput {
    /// Its name.
    pub name: EnvName,
    /// Its value.
    pub value: EnvValue,
}

/// Where a variable's value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EnvValue {
    /// The credential's value of this key.
    Key(String),
    /// A template over the credential's keys.
    Template(String),
}

/// One file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileOutput {
    /// Where, below the volume.
    pub path: RelativePath,
    /// What it holds.
    pub content: Content,
    /// Its permissions, where the plan states them; see [`effective_mode`](Self::effective_mode).
    pub mode: Option<FileMode>,
}

impl FileOutput {
    /// The permissions it gets. Absent is kept apart from the default until here, so that a writer of plans who
    /// knows more of the readers can fill in what lets them read.
    #[must_use]
    pub fn effective_mode(&self) -> FileMode {
        self.mode.unwrap_or(FileMode::DEFAULT)
    }
}

/// What a file holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// All keys, in a format.
    Format(Format),
    /// The bytes of one key.
    Key(String),
    /// A template over the credential's keys.
    Template(String),
}

/// A format that holds a whole credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// The grammar of Kubernetes' `fileKeyRef`: `KEY='value'`.
    Env,
    /// What dotenv libraries read.
    Dotenv,
    /// One JSON object.
    Json,
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Env => "env",
            Self::Dotenv => "dotenv",
            Self::Json => "json",
        })
    }
}

/// The name of a variable: Kubernetes' own rule for `env[].name`, at most 253 bytes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EnvName(String);

impl EnvName {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for EnvName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let good = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
        let starts = text.bytes().next().is_some_and(|byte| !byte.is_ascii_digit());
        if starts && text.len() <= 253 && text.bytes().all(good) {
            Ok(Self(text.to_owned()))
        } else {
            let rule = "use 1 to 253 letters, digits, `_`, `-` and `.`, not starting with a digit";
            Err(NameError::new("variable name", rule, text))
        }
    }
}

impl fmt::Display for EnvName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Permissions of a file: some of `0777`, never writable by others, no set-id bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileMode(u32);

impl FileMode {
    /// Readable by the owner and the group: a pod's containers often share only the group.
    pub const DEFAULT: Self = Self(0o440);

    /// The bits.
    #[must_use]
    pub const fn bits(self) -> u32 {
        self.0
    }
}

impl FromStr for FileMode {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let rule = "write 3 or 4 octal digits such as 0400; others may not write, set-id bits are refused";
        let error = || NameError::new("file mode", rule, text);
        if !(3..=4).contains(&text.len()) || !text.bytes().all(|byte| (b'0'..=b'7').contains(&byte)) {
            return Err(error());
        }
        match u32::from_str_radix(text, 8) {
            Ok(bits) if bits <= 0o777 && bits & 0o002 == 0 => Ok(Self(bits)),
            _ => Err(error()),
        }
    }
}

impl fmt::Display for FileMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04o}", self.0)
    }
}
