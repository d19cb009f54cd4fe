//! What is read: manifests and the configuration.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use esi_core::names::{Namespace, ObjectName};
use serde_json::Value;

use super::ExplainError;
use crate::config::Configuration;

/// Most bytes of one file: a few thousand manifests.
const MAX_BYTES: u64 = 16 * 1024 * 1024;

/// The configuration where none is given.
const EXAMPLE: &str = include_str!("../../../../deploy/webhook/config.yaml");

/// Stands for a CA file that is not on this machine. Nobody has its key.
const EXAMPLE_CA: &str = include_str!("example-ca.pem");

/// One object of a manifest.
#[derive(Debug)]
pub(super) struct Document {
    pub(super) object: Value,
}

/// Every object of these files, those of lists too, in their order.
pub(super) fn documents(files: &[PathBuf], stdin: &mut dyn Read) -> Result<Vec<Document>, ExplainError> {
    let mut documents = Vec::new();
    for path in files {
        let text = if path.as_os_str() == "-" {
            read(path, stdin)?
        } else {
            read(path, &mut open(path)?)?
        };
        let options = serde_saphyr::options! { with_snippet: false };
        let objects: Vec<Value> =
            serde_saphyr::from_multiple_with_options(&text, options).map_err(|error| ExplainError::Yaml {
                path: path.clone(),
                problem: error.to_string(),
            })?;
        for object in objects {
            flatten(object, &mut documents);
        }
    }
    Ok(documents)
}

fn flatten(object: Value, documents: &mut Vec<Document>) {
    match object {
        Value::Null => {}
        Value::Object(mut list) if list.get("kind").and_then(Value::as_str).is_some_and(is_list) => {
            // Lists in lists are nobody's; they are shown as what they are not.
            if let Some(Value::Array(items)) = list.remove("items") {
                documents.extend(items.into_iter().map(|object| Document { object }));
            }
        }
        object => documents.push(Document { object }),
    }
}

fn is_list(kind: &str) -> bool {
    kind.ends_with("List")
}

fn open(path: &Path) -> Result<File, ExplainError> {
    File::open(path).map_err(|source| unreadable(path, source))
}

fn read(path: &Path, from: &mut dyn Read) -> Result<String, ExplainError> {
    let mut text = String::new();
    let read = from.take(MAX_BYTES + 1).read_to_string(&mut text);
    let read = read.and_then(|_| match u64::try_from(text.len()) {
        Ok(bytes) if bytes <= MAX_BYTES => Ok(()),
        _ => Err(io::Error::other("it is larger than 16 MiB")),
    });
    read.map_err(|source| unreadable(path, source))?;
    Ok(text)
}

fn unreadable(path: &Path, source: io::Error) -> ExplainError {
    ExplainError::Read {
        path: path.to_owned(),
        source,
    }
}

/// The configuration, or the example. A CA file that is not here is no obstacle: it is elsewhere in the cluster, and
/// changes nothing but the text that pods are given.
pub(super) fn configuration(
    path: Option<&Path>,
    notes: &mut dyn Write,
) -> Result<Configuration, ExplainError> {
    let Some(path) = path else {
        let note = "note: without --config, the servers and the image are those of the documented example";
        writeln!(notes, "{note}").map_err(ExplainError::Write)?;
        return Ok(Configuration::parse(EXAMPLE, &|_| Ok(EXAMPLE_CA.to_owned()))?);
    };
    let text = read(path, &mut open(path)?)?;
    let folder = path.parent().unwrap_or(Path::new(""));
    let missing = std::cell::RefCell::new(Vec::new());
    let configuration = Configuration::parse(&text, &|ca| match std::fs::read_to_string(folder.join(ca)) {
        Ok(pem) => Ok(pem),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            missing.borrow_mut().push(ca.to_owned());
            Ok(EXAMPLE_CA.to_owned())
        }
        Err(error) => Err(format!("{} cannot be read: {error}", ca.display())),
    })?;
    for ca in missing.take() {
        let ca = ca.display();
        writeln!(notes, "note: {ca} is not here: an example stands for it").map_err(ExplainError::Write)?;
    }
    Ok(configuration)
}

impl Document {
    fn text(&self, pointer: &str) -> &str {
        self.object
            .pointer(pointer)
            .and_then(Value::as_str)
            .unwrap_or_default()
    }

    pub(super) fn kind(&self) -> &str {
        self.text("/kind")
    }

    /// `Kind/name`, for people.
    pub(super) fn title(&self) -> String {
        let name = match self.text("/metadata/name") {
            "" => self.text("/metadata/generateName"),
            name => name,
        };
        match self.kind() {
            "" => "an object without a kind".to_owned(),
            kind => format!("{kind}/{name}"),
        }
    }

    pub(super) fn is_injection(&self) -> bool {
        let group = self.text("/apiVersion").split('/').next();
        self.kind() == "Injection" && group == Some("esi.external-secrets.io")
    }

    pub(super) fn namespace(&self, default: &Namespace) -> Result<Namespace, ExplainError> {
        match self.object.pointer("/metadata/namespace") {
            None | Some(Value::Null) => Ok(default.clone()),
            Some(Value::String(namespace)) => namespace.parse().map_err(|error| self.bad(&error)),
            // YAML reads `no` and `1` as what they are not.
            Some(_) => Err(self.bad(&"metadata.namespace is no text: put it in quotes")),
        }
    }

    pub(super) fn identity(&self, default: &Namespace) -> Result<(Namespace, ObjectName), ExplainError> {
        let name = self.text("/metadata/name").parse();
        Ok((self.namespace(default)?, name.map_err(|error| self.bad(&error))?))
    }

    pub(super) fn bad(&self, problem: &dyn std::fmt::Display) -> ExplainError {
        ExplainError::Object {
            title: self.title(),
            problem: problem.to_string(),
        }
    }
}
