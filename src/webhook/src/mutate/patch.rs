//! Writes the patch (RFC 6902): single additions and removals, so that whatever is not ours stays untouched.

use json_patch::jsonptr::{PointerBuf, Token};
use json_patch::{AddOperation, Patch, PatchOperation, RemoveOperation};
use serde_json::{Map, Value};

/// One step of a path.
#[derive(Debug, Clone, Copy)]
pub(super) enum Step<'a> {
    /// A field, not yet escaped.
    Key(&'a str),
    /// An element of a list.
    At(usize),
    /// What comes after the last element of a list.
    End,
}

/// The operations so far, in the order in which they are applied.
#[derive(Debug, Default)]
pub(super) struct Writer {
    operations: Vec<PatchOperation>,
}

impl Writer {
    /// Adds a value.
    pub(super) fn add(&mut self, path: &[Step<'_>], value: Value) {
        let path = pointer(path);
        self.operations
            .push(PatchOperation::Add(AddOperation { path, value }));
    }

    /// Removes a value.
    pub(super) fn remove(&mut self, path: &[Step<'_>]) {
        let path = pointer(path);
        self.operations
            .push(PatchOperation::Remove(RemoveOperation { path }));
    }

    /// Adds elements after the last one of a list, which is made where there is none.
    pub(super) fn append(&mut self, list: &[Step<'_>], exists: bool, values: Vec<Value>) {
        if !exists {
            return self.make(list, values);
        }
        for value in values {
            self.add(&join(list, Step::End), value);
        }
    }

    /// Adds elements before the one at `index` of a list, which is made where there is none.
    pub(super) fn insert(&mut self, list: &[Step<'_>], exists: bool, index: usize, values: Vec<Value>) {
        if !exists {
            return self.make(list, values);
        }
        for (offset, value) in values.into_iter().enumerate() {
            self.add(&join(list, Step::At(index.saturating_add(offset))), value);
        }
    }

    fn make(&mut self, list: &[Step<'_>], values: Vec<Value>) {
        if !values.is_empty() {
            self.add(list, Value::Array(values));
        }
    }

    /// Sets a field of an object, which is made where there is none.
    pub(super) fn set(&mut self, object: &[Step<'_>], exists: bool, key: &str, value: &str) {
        let value = Value::from(value);
        match exists {
            true => self.add(&join(object, Step::Key(key)), value),
            false => self.add(object, Value::Object(Map::from_iter([(key.to_owned(), value)]))),
        }
    }

    /// The patch.
    pub(super) fn finish(self) -> Patch {
        Patch(self.operations)
    }
}

fn join<'a>(path: &[Step<'a>], step: Step<'a>) -> Vec<Step<'a>> {
    let mut path = path.to_vec();
    path.push(step);
    path
}

fn pointer(path: &[Step<'_>]) -> PointerBuf {
    PointerBuf::from_tokens(path.iter().map(|step| match *step {
        Step::Key(key) => Token::new(key),
        Step::At(index) => Token::from(index),
        Step::End => Token::new("-"),
    }))
}
