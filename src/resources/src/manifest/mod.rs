//! A text of manifests, YAML or JSON, to the objects that it states.
//!
//! ```text
//!  text ──split──▶ documents ──yaml──▶ values ──List──▶ one [`Manifest`] per object
//! ```
//!
//! The catalog reads its files with the same two parts, straight into its own types. Reading is bounded: what a
//! text unfolds to is no more than a person would write (see `yaml`).

pub(crate) mod split;
pub(crate) mod yaml;

use serde_json::Value;
use thiserror::Error;

use crate::shown::shown;

/// One object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    /// Where its document begins in the text, from 1.
    pub line: u64,
    /// The object, as it is written.
    pub object: Value,
}

/// Why a text was not read.
#[derive(Debug, Error, Clone, PartialEq, Eq)]
#[error("line {line}: {problem}")]
pub struct ManifestError {
    /// From 1.
    pub line: u64,
    /// What is wrong. May quote the text, cut and escaped.
    pub problem: String,
}

/// The objects of a text, in order; those of a `List` one by one.
///
/// # Errors
/// If a document is not YAML, is no mapping, or unfolds to too much. A tool is at the other end, which shows the
/// message to the author of the text.
pub fn read(text: &str) -> Result<Vec<Manifest>, ManifestError> {
    let mut manifests = Vec::new();
    for piece in split::documents(text) {
        let error = |line: u64, problem: &str| ManifestError {
            line,
            problem: shown(problem),
        };
        let object: Value =
            yaml::read(&piece.text).map_err(|fault| error(piece.at(&fault), &fault.message))?;
        let objects = match object {
            Value::Object(mut list) if is_list(&list) => match list.remove("items") {
                Some(Value::Array(items)) => items,
                _ => return Err(error(piece.line, "items: write the objects of the List")),
            },
            object => vec![object],
        };
        if !objects.iter().all(Value::is_object) {
            return Err(error(
                piece.line,
                "write an object: apiVersion, kind and metadata as a mapping",
            ));
        }
        let line = piece.line;
        manifests.extend(objects.into_iter().map(|object| Manifest { line, object }));
    }
    Ok(manifests)
}

/// `List` or a list of one kind, told from an object whose kind merely ends so by having no `metadata.name`.
fn is_list(object: &serde_json::Map<String, Value>) -> bool {
    let kind = object.get("kind").and_then(Value::as_str).unwrap_or_default();
    let named = object
        .get("metadata")
        .is_some_and(|metadata| metadata.get("name").is_some());
    kind.ends_with("List") && !named
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    #[test]
    fn documents_and_the_items_of_lists_are_objects_with_their_lines() {
        let text = "# a comment\n---\nkind: Pod\nmetadata: {name: a}\n---\n\nkind: List\nitems:\n- kind: A\n- kind: B\n";
        let read = read(text).unwrap();
        let kinds: Vec<_> = read
            .iter()
            .map(|one| (one.line, one.object["kind"].as_str().unwrap()))
            .collect();
        assert_eq!(kinds, [(3, "Pod"), (7, "A"), (7, "B")]);
    }

    #[test]
    fn an_injection_in_yaml_is_read_as_it_is_written() {
        let text = "
apiVersion: esi.external-secrets.io/v1alpha1
kind: Injection
metadata: {name: db}
spec:
  source: {generator: {kind: Fake, name: shop}}
  files: [{path: password, key: password, mode: \"0400\"}]
";
        let manifest = read(text).unwrap().remove(0);
        let injection = crate::injection::Injection::from_object(&manifest.object, &"demo".parse().unwrap());
        assert_eq!(injection.unwrap().plan.files.len(), 1);
    }

    #[test]
    fn json_is_read_too() {
        assert_eq!(
            read(r#"{"kind": "Pod"}"#).unwrap()[0].object,
            json!({"kind": "Pod"})
        );
    }

    #[rstest]
    #[case::no_mapping("a\n", 1)]
    #[case::no_yaml("kind: Pod\n---\n\nkind: [\n", 4)]
    #[case::list_without_items("kind: List\n", 1)]
    #[case::twice("kind: A\nkind: B\n", 2)]
    fn what_cannot_be_read_is_refused_with_its_line(#[case] text: &str, #[case] line: u64) {
        assert_eq!(read(text).unwrap_err().line, line);
    }

    #[test]
    fn a_text_that_unfolds_to_too_much_is_refused() {
        let mut text = "a0: &a0 [x,x,x,x,x,x,x,x,x]\n".to_owned();
        for level in 1..9 {
            let before = vec![format!("*a{}", level - 1); 9].join(",");
            text.push_str(&format!("a{level}: &a{level} [{before}]\n"));
        }
        assert!(read(&text).is_err());
    }
}
