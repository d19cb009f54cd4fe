//! JSON that is only looked at: one list of nodes, borrowed from its text.
//!
//! ```text
//!  {"spec": {"n": [1, "a"]}}  ──read──▶  Object(7) "spec" Object(5) "n" List(3) 1 "a"
//!                                        └──────────────── each value is a slice: itself, then what is in it
//! ```
//!
//! A pod is read once and thrown away: a tree of maps and texts would be a thousand small pieces of memory, this is one.
//! Invariants: texts are borrowed wherever JSON writes them without escapes; a field that is there twice is the last
//! one, as it is for Kubernetes; nesting is bounded by the reader (serde_json: 128), so that no walk overflows the stack.

mod read;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::fmt;

use serde::ser::{Serialize, SerializeMap as _, SerializeSeq as _, Serializer};
use serde_json::Number;

/// A JSON document.
pub struct Json<'a>(Vec<Node<'a>>);

/// A piece of a document.
enum Node<'a> {
    Null,
    Bool(bool),
    Number(Number),
    Text(Cow<'a, str>),
    /// Elements follow; of how many nodes it consists, this one included.
    List(usize),
    /// Keys and values follow in turn; of how many nodes it consists, this one included.
    Object(usize),
}

/// A value of a document: its own node, and what is in it.
#[derive(Clone, Copy)]
pub struct Value<'j>(&'j [Node<'j>]);

/// A value that is an object.
#[derive(Debug, Clone, Copy)]
pub struct Object<'j>(Value<'j>);

/// A value that is a list.
#[derive(Debug, Clone, Copy)]
pub struct List<'j>(Value<'j>);

impl Json<'_> {
    /// The document's value.
    #[must_use]
    pub fn root(&self) -> Value<'_> {
        Value(&self.0)
    }
}

impl<'j> Value<'j> {
    fn node(self) -> &'j Node<'j> {
        self.0.first().unwrap_or(&Node::Null)
    }

    /// Whether it is `null`.
    #[must_use]
    pub fn is_null(self) -> bool {
        matches!(self.node(), Node::Null)
    }

    /// The truth value that it is.
    #[must_use]
    pub fn as_bool(self) -> Option<bool> {
        match self.node() {
            Node::Bool(truth) => Some(*truth),
            _ => None,
        }
    }

    /// The number that it is.
    #[must_use]
    pub fn as_number(self) -> Option<&'j Number> {
        match self.node() {
            Node::Number(number) => Some(number),
            _ => None,
        }
    }

    /// The text that it is.
    #[must_use]
    pub fn as_str(self) -> Option<&'j str> {
        match self.node() {
            Node::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The object that it is.
    #[must_use]
    pub fn as_object(self) -> Option<Object<'j>> {
        matches!(self.node(), Node::Object(_)).then_some(Object(self))
    }

    /// The list that it is.
    #[must_use]
    pub fn as_list(self) -> Option<List<'j>> {
        matches!(self.node(), Node::List(_)).then_some(List(self))
    }

    /// Whether a tree says the same.
    #[must_use]
    pub fn is(self, tree: &serde_json::Value) -> bool {
        serde_json::to_value(self).is_ok_and(|same| same == *tree)
    }

    /// The field of an object.
    #[must_use]
    pub fn get(self, key: &str) -> Option<Value<'j>> {
        self.as_object()?.get(key)
    }
}

impl<'j> Object<'j> {
    /// Its fields, in order; one that is there twice is twice here.
    pub fn entries(self) -> impl Iterator<Item = (&'j str, Value<'j>)> {
        let mut rest = inside(self.0);
        std::iter::from_fn(move || {
            let key = take(&mut rest)?.as_str()?;
            Some((key, take(&mut rest)?))
        })
    }

    /// A field.
    #[must_use]
    pub fn get(self, key: &str) -> Option<Value<'j>> {
        let found = self.entries().filter(|(name, _)| *name == key);
        found.last().map(|(_, value)| value)
    }
}

impl<'j> List<'j> {
    /// Its elements, in order.
    pub fn elements(self) -> impl Iterator<Item = Value<'j>> {
        let mut rest = inside(self.0);
        std::iter::from_fn(move || take(&mut rest))
    }

    /// Whether it has no element.
    #[must_use]
    pub fn is_empty(self) -> bool {
        inside(self.0).is_empty()
    }
}

/// What is in a value.
fn inside<'j>(value: Value<'j>) -> &'j [Node<'j>] {
    value.0.get(1..).unwrap_or_default()
}

/// The first of several values, which leaves the others.
fn take<'j>(values: &mut &'j [Node<'j>]) -> Option<Value<'j>> {
    let length = match values.first()? {
        Node::List(length) | Node::Object(length) => *length,
        Node::Null | Node::Bool(_) | Node::Number(_) | Node::Text(_) => 1,
    };
    let (value, rest) = values.split_at_checked(length)?;
    *values = rest;
    Some(Value(value))
}

impl Serialize for Value<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.node() {
            Node::Null => serializer.serialize_unit(),
            Node::Bool(truth) => serializer.serialize_bool(*truth),
            Node::Number(number) => number.serialize(serializer),
            Node::Text(text) => serializer.serialize_str(text),
            Node::List(_) => {
                let mut list = serializer.serialize_seq(None)?;
                for element in List(*self).elements() {
                    list.serialize_element(&element)?;
                }
                list.end()
            }
            Node::Object(_) => {
                let mut object = serializer.serialize_map(None)?;
                for (key, value) in Object(*self).entries() {
                    object.serialize_entry(key, &value)?;
                }
                object.end()
            }
        }
    }
}

impl Serialize for Json<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.root().serialize(serializer)
    }
}

/// Its size and no more: pods are never logged.
impl fmt::Debug for Json<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Json({} nodes)", self.0.len())
    }
}

/// Its size and no more.
impl fmt::Debug for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Value({} nodes)", self.0.len())
    }
}
