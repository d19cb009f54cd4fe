//! The text of one file to the objects it states.
//!
//! ```text
//!  text ──split──▶ pieces ──header──▶ class, identity ──object──▶ Object
//!                     ▲ items of a List │
//!                     └─────────────────┘
//! ```
//!
//! Each piece is read twice: for its identity first, leniently, then for its content, strictly. So a broken
//! document is known by name, and only one that cannot be read at all makes the file torn.

mod class;
mod header;
mod object;
mod secret;
#[cfg(test)]
mod tests;

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use esi_core::names::{GeneratorRef, Namespace, ObjectName};
use serde::de::IgnoredAny;

use self::class::{Class, classify};
use self::header::Header;
pub(super) use self::object::Object;
use super::problem::Problem;
use super::snapshot::SecretName;
use crate::generator::kind;
use crate::manifest::split::{self, Piece};
use crate::manifest::yaml::{self, Fault};

/// What one file says.
#[derive(Debug)]
pub(super) struct ParsedFile {
    pub(super) path: Arc<Path>,
    pub(super) documents: Vec<Document>,
    pub(super) problems: Vec<Problem>,
    pub(super) notices: Vec<Problem>,
    /// Something in it cannot be read at all: what it was is unknown, and the rest may be cut short.
    pub(super) torn: bool,
}

/// One object of a file.
#[derive(Debug)]
pub(super) struct Document {
    pub(super) identity: Identity,
    /// Where its content begins, from 1.
    pub(super) line: u64,
    /// Absent where the object is broken; a problem says why.
    pub(super) object: Option<Object>,
}

/// Which object of the catalog it is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Identity {
    Generator(GeneratorRef),
    ClusterGenerator(ObjectName),
    Authorization(ObjectName),
    Federation(ObjectName),
    Secret(SecretName),
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Generator(reference) => {
                write!(f, "{} {}/{}", reference.kind, reference.namespace, reference.name)
            }
            Self::ClusterGenerator(name) => write!(f, "ClusterGenerator {name}"),
            Self::Authorization(name) => write!(f, "Authorization {name}"),
            Self::Federation(name) => write!(f, "KubernetesFederation {name}"),
            Self::Secret((namespace, name)) => write!(f, "Secret {namespace}/{name}"),
        }
    }
}

/// How a file is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Syntax {
    Yaml,
    /// Checked for being JSON, then read as the YAML that all JSON is.
    Json,
}

/// Reads one file. Never fails: what is wrong is part of the answer.
pub(super) fn parse(path: &Arc<Path>, syntax: Syntax, text: &str) -> ParsedFile {
    let mut file = ParsedFile::empty(path);
    if syntax == Syntax::Json
        && let Err(error) = serde_json::from_str::<IgnoredAny>(text)
    {
        file.tear(Fault::json(&error).line, None, &Fault::json(&error).public);
        return file;
    }
    for piece in split::documents(text) {
        file.piece(&piece, true);
    }
    file
}

impl ParsedFile {
    fn empty(path: &Arc<Path>) -> Self {
        Self {
            path: Arc::clone(path),
            documents: Vec::new(),
            problems: Vec::new(),
            notices: Vec::new(),
            torn: false,
        }
    }

    /// A file that is there and could not be read.
    pub(super) fn unreadable(path: &Arc<Path>, message: &str) -> Self {
        let mut file = Self::empty(path);
        file.tear(None, None, message);
        file
    }

    fn piece(&mut self, piece: &Piece<'_>, lists: bool) {
        let header: Header = match yaml::read(&piece.text) {
            Ok(header) => header,
            Err(fault) => return self.tear(Some(piece.at(&fault)), None, &fault.public),
        };
        let (Some(api_version), Some(kind)) = (&header.api_version, &header.kind) else {
            return self.tear(Some(piece.line), None, "write apiVersion and kind");
        };
        let shown = header.shown();
        match classify(api_version, kind) {
            Class::List if lists => match split::items(piece) {
                Ok(items) => items.iter().for_each(|item| self.piece(item, false)),
                Err(fault) => self.tear(Some(piece.at(&fault)), shown, &fault.public),
            },
            Class::List => self.tear(Some(piece.line), shown, "write a List without lists in it"),
            Class::Foreign => tracing::debug!(
                file = %self.path.display(), line = piece.line, object = shown, "not read by this server"
            ),
            Class::NotServed => {
                self.notice(piece.line, shown, "not served by this version; it grants nothing")
            }
            Class::Unknown(message) => self.problem(Some(piece.line), shown, &message),
            class => self.ours(piece, &header, &class),
        }
    }

    /// An object that the catalog holds.
    fn ours(&mut self, piece: &Piece<'_>, header: &Header, class: &Class) {
        let identity = match identity(header, class) {
            Ok(identity) => identity,
            Err(fault) => return self.tear(Some(piece.at(&fault)), header.shown(), &fault.public),
        };
        let object = match object::read(&identity, class, &piece.text) {
            Ok(object) => Some(object),
            Err(fault) => {
                self.problem(Some(piece.at(&fault)), Some(identity.to_string()), &fault.message);
                None
            }
        };
        if matches!(class, Class::Unsupported(_)) {
            let message = "this kind of generator is not supported by this version";
            self.notice(piece.line, Some(identity.to_string()), message);
        }
        self.documents.push(Document {
            identity,
            line: piece.line,
            object,
        });
    }

    fn problem(&mut self, line: Option<u64>, object: Option<String>, message: &str) {
        self.problems
            .push(Problem::new(self.path.as_ref(), line, object, message));
    }

    fn notice(&mut self, line: u64, object: Option<String>, message: &str) {
        self.notices
            .push(Problem::new(self.path.as_ref(), Some(line), object, message));
    }

    fn tear(&mut self, line: Option<u64>, object: Option<String>, message: &str) {
        self.problem(line, object, message);
        self.torn = true;
    }
}

fn identity(header: &Header, class: &Class) -> Result<Identity, Fault> {
    let name: ObjectName = header.name()?;
    let namespace = || -> Result<Namespace, Fault> { header.namespace() };
    Ok(match class {
        Class::Authorization => Identity::Authorization(name),
        Class::Federation => Identity::Federation(name),
        Class::Unsupported(kind) if kind::is_cluster_scoped(kind) => Identity::ClusterGenerator(name),
        Class::Generator(kind) | Class::Unsupported(kind) => Identity::Generator(GeneratorRef {
            kind: kind.clone(),
            namespace: namespace()?,
            name,
        }),
        _ => Identity::Secret((namespace()?, name)),
    })
}
