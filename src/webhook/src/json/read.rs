//! From whatever serde can read to a document.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Number;

use super::{Json, Node};

/// Nodes of a usual pod: a small one must not make room for a large one, nor a usual one grow often.
const USUAL_NODES: usize = 512;
/// The field of `metadata` that is left out: who set which field, often half of a pod, and nothing to us.
const UNREAD: &str = "managedFields";
/// How deep it is: in an object of the root.
const UNREAD_DEPTH: usize = 1;

impl<'a> Json<'a> {
    /// A document of a tree.
    #[must_use]
    pub fn of(tree: &'a serde_json::Value) -> Self {
        // Whatever is JSON can be read as JSON.
        Self::deserialize(tree).unwrap_or_else(|_never| Self(vec![Node::Null]))
    }

    /// The document as a tree that can be changed, apart from what is left out.
    #[must_use]
    pub fn to_tree(&self) -> serde_json::Value {
        // Whatever is JSON can be written as JSON.
        serde_json::to_value(self).unwrap_or_default()
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Json<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut nodes = Vec::with_capacity(USUAL_NODES);
        let reader = Reader {
            nodes: &mut nodes,
            depth: 0,
        };
        deserializer.deserialize_any(reader)?;
        Ok(Self(nodes))
    }
}

/// Appends what it reads.
struct Reader<'n, 'a> {
    nodes: &'n mut Vec<Node<'a>>,
    /// How many objects and lists are around it.
    depth: usize,
}

impl<'a> Reader<'_, 'a> {
    /// Reads what is inside of this.
    fn below(&mut self) -> Reader<'_, 'a> {
        Reader {
            nodes: self.nodes,
            depth: self.depth.saturating_add(1),
        }
    }

    /// Begins an object or a list; where it is.
    fn open(&mut self) -> usize {
        self.nodes.push(Node::Null);
        self.nodes.len().saturating_sub(1)
    }

    /// Ends what was opened there.
    fn close(self, at: usize, made: impl FnOnce(usize) -> Node<'a>) {
        let length = self.nodes.len().saturating_sub(at);
        if let Some(node) = self.nodes.get_mut(at) {
            *node = made(length);
        }
    }

    /// Whether the key that was read last is of what nobody looks at.
    fn is_unread(&self) -> bool {
        self.depth == UNREAD_DEPTH && matches!(self.nodes.last(), Some(Node::Text(key)) if key == UNREAD)
    }
}

impl<'de: 'a, 'a> DeserializeSeed<'de> for Reader<'_, 'a> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de: 'a, 'a> Visitor<'de> for Reader<'_, 'a> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        self.nodes.push(Node::Null);
        Ok(())
    }

    fn visit_bool<E>(self, truth: bool) -> Result<(), E> {
        self.nodes.push(Node::Bool(truth));
        Ok(())
    }

    fn visit_i64<E>(self, number: i64) -> Result<(), E> {
        self.nodes.push(Node::Number(number.into()));
        Ok(())
    }

    fn visit_u64<E>(self, number: u64) -> Result<(), E> {
        self.nodes.push(Node::Number(number.into()));
        Ok(())
    }

    fn visit_f64<E>(self, number: f64) -> Result<(), E> {
        // What is no number is null, as serde_json has it; its own text has none such.
        self.nodes
            .push(Number::from_f64(number).map_or(Node::Null, Node::Number));
        Ok(())
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<(), E> {
        self.nodes.push(Node::Text(Cow::Borrowed(text)));
        Ok(())
    }

    fn visit_str<E>(self, text: &str) -> Result<(), E> {
        self.nodes.push(Node::Text(Cow::Owned(text.to_owned())));
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut elements: A) -> Result<(), A::Error> {
        let at = self.open();
        while elements.next_element_seed(self.below())?.is_some() {}
        self.close(at, Node::List);
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut fields: A) -> Result<(), A::Error> {
        let at = self.open();
        while fields.next_key_seed(self.below())?.is_some() {
            if self.is_unread() {
                self.nodes.pop();
                fields.next_value::<IgnoredAny>()?;
            } else {
                fields.next_value_seed(self.below())?;
            }
        }
        self.close(at, Node::Object);
        Ok(())
    }
}
