//! Writes the patch (RFC 6902): single additions and removals, so that whatever is not ours stays untouched.
//!
//! It is text from the beginning: it goes to the API server as it is, and nobody here looks into it again but
//! `again`, for pods that are marked, and `explain`.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use super::error::MutateError;

/// A usual patch fits in.
const USUAL_BYTES: usize = 8 * 1024;

/// A JSON Patch.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Patch {
    /// A list of operations in JSON; nothing where there is none.
    text: Vec<u8>,
}

impl Patch {
    /// Whether it changes nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// Its JSON; nothing where it changes nothing.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.text
    }

    /// The operations, to be applied.
    ///
    /// # Errors
    /// Never, unless what was written here is no patch, which is a defect.
    pub fn operations(&self) -> Result<json_patch::Patch, serde_json::Error> {
        match self.is_empty() {
            true => Ok(json_patch::Patch::default()),
            false => serde_json::from_slice(&self.text),
        }
    }
}

#[cfg(test)]
impl Patch {
    pub(crate) fn of(operations: &serde_json::Value) -> Self {
        let text = operations.to_string().into_bytes();
        Self { text }
    }
}

impl fmt::Display for Patch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.text))
    }
}

impl fmt::Debug for Patch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Patch({self})")
    }
}

/// One step of a path.
#[derive(Debug, Clone, Copy)]
pub(super) enum Step {
    /// A field. Always one that this program knows, so that no pod can write into a path.
    Key(&'static str),
    /// An element of a list.
    At(usize),
    /// What comes after the last element of a list.
    End,
}

/// The operations so far, in the order in which they are applied.
#[derive(Debug)]
pub(super) struct Writer {
    text: Vec<u8>,
    count: usize,
    broken: bool,
}

impl Default for Writer {
    fn default() -> Self {
        Self {
            text: Vec::with_capacity(USUAL_BYTES),
            count: 0,
            broken: false,
        }
    }
}

impl Writer {
    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.count
    }

    /// Adds a value.
    pub(super) fn add(&mut self, path: &[Step], value: &(impl Serialize + ?Sized)) {
        self.add_at(path, None, value);
    }

    fn add_at(&mut self, path: &[Step], last: Option<Step>, value: &(impl Serialize + ?Sized)) {
        self.begin("add", path.iter().copied().chain(last));
        self.text.extend_from_slice(b",\"value\":");
        self.json(value);
        self.text.push(b'}');
    }

    /// Removes a value.
    pub(super) fn remove(&mut self, path: &[Step]) {
        self.begin("remove", path.iter().copied());
        self.text.push(b'}');
    }

    /// Adds elements after the last one of a list, which is made where there is none.
    pub(super) fn append(&mut self, list: &[Step], exists: bool, values: &[impl Serialize]) {
        if !exists {
            return self.make(list, values);
        }
        for value in values {
            self.add_at(list, Some(Step::End), value);
        }
    }

    /// Adds elements before the one at `index` of a list, which is made where there is none.
    pub(super) fn insert(&mut self, list: &[Step], exists: bool, index: usize, values: &[impl Serialize]) {
        if !exists {
            return self.make(list, values);
        }
        for (offset, value) in values.iter().enumerate() {
            let at = Step::At(index.saturating_add(offset));
            self.add_at(list, Some(at), value);
        }
    }

    fn make(&mut self, list: &[Step], values: &[impl Serialize]) {
        if !values.is_empty() {
            self.add(list, values);
        }
    }

    /// Sets a field of an object, which is made where there is none.
    pub(super) fn set(&mut self, object: &[Step], exists: bool, key: &'static str, value: &str) {
        match exists {
            true => self.add_at(object, Some(Step::Key(key)), value),
            false => self.add(object, &BTreeMap::from([(key, value)])),
        }
    }

    /// The patch.
    ///
    /// # Errors
    /// If a value could not be written: texts, numbers and lists always can, so that is a defect.
    pub(super) fn finish(mut self) -> Result<Patch, MutateError> {
        if self.broken {
            return Err(MutateError::Unwritten);
        }
        if self.count > 0 {
            self.text.push(b']');
        }
        Ok(Patch { text: self.text })
    }

    /// The patch so far.
    ///
    /// # Errors
    /// As [`Writer::finish`].
    pub(super) fn so_far(&self) -> Result<Patch, MutateError> {
        let so_far = Self {
            text: self.text.clone(),
            ..*self
        };
        so_far.finish()
    }

    fn begin(&mut self, operation: &str, path: impl Iterator<Item = Step>) {
        self.text.push(if self.count == 0 { b'[' } else { b',' });
        self.count = self.count.saturating_add(1);
        self.text.extend_from_slice(b"{\"op\":\"");
        self.text.extend_from_slice(operation.as_bytes());
        self.text.extend_from_slice(b"\",\"path\":\"");
        for step in path {
            self.text.push(b'/');
            match step {
                Step::Key(key) => self.key(key),
                Step::At(index) => self.json(&index),
                Step::End => self.text.push(b'-'),
            }
        }
        self.text.push(b'"');
    }

    /// A key inside a path (RFC 6901).
    fn key(&mut self, key: &'static str) {
        for byte in key.bytes() {
            match byte {
                b'~' => self.text.extend_from_slice(b"~0"),
                b'/' => self.text.extend_from_slice(b"~1"),
                byte => self.text.push(byte),
            }
        }
    }

    fn json(&mut self, value: &(impl Serialize + ?Sized)) {
        self.broken |= serde_json::to_writer(&mut self.text, value).is_err();
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn operations_are_what_was_written_in_its_order() {
        let mut writer = Writer::default();
        assert!(writer.so_far().unwrap().is_empty());
        writer.remove(&[Step::Key("a"), Step::At(1)]);
        writer.append(&[Step::Key("none")], false, &[""; 0]);
        writer.append(&[Step::Key("l")], true, &["\"é\n"]);
        writer.insert(&[Step::Key("l")], true, 2, &["x", "y"]);
        writer.insert(&[Step::Key("new")], false, 2, &["x", "y"]);
        writer.set(&[Step::Key("labels")], true, "a/b~c", "v");
        writer.set(&[Step::Key("labels")], false, "a/b~c", "v");
        assert_eq!(writer.count(), 7);
        let patch = writer.finish().unwrap();
        let written: Value = serde_json::from_slice(patch.as_bytes()).unwrap();
        let expected = json!([
            {"op": "remove", "path": "/a/1"},
            {"op": "add", "path": "/l/-", "value": "\"é\n"},
            {"op": "add", "path": "/l/2", "value": "x"},
            {"op": "add", "path": "/l/3", "value": "y"},
            {"op": "add", "path": "/new", "value": ["x", "y"]},
            {"op": "add", "path": "/labels/a~1b~0c", "value": "v"},
            {"op": "add", "path": "/labels", "value": {"a/b~c": "v"}},
        ]);
        assert_eq!(written, expected);
        assert_eq!(
            serde_json::to_value(patch.operations().unwrap()).unwrap(),
            expected
        );
    }
}
