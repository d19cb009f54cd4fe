//! A pod as people write it: the usual keys first, lists and texts as `kubectl` shows them.

use serde::ser::{Serialize, SerializeMap as _, SerializeSeq as _, Serializer};
use serde_json::Value;

use super::ExplainError;

/// Keys that come first, where they are; all others by the alphabet.
const FIRST: [&str; 5] = ["apiVersion", "kind", "metadata", "name", "spec"];

/// Writes a value as one YAML document.
pub(super) fn write(value: &Value) -> Result<String, ExplainError> {
    let options = serde_saphyr::ser_options! {
        // A folded text is hard to compare and to copy.
        folded_wrap_chars: 1_000_000,
    };
    serde_saphyr::to_string_with_options(&Ordered(value), options).map_err(ExplainError::Emit)
}

struct Ordered<'a>(&'a Value);

impl Serialize for Ordered<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Value::Array(items) => {
                let mut list = serializer.serialize_seq(Some(items.len()))?;
                for item in items {
                    list.serialize_element(&Self(item))?;
                }
                list.end()
            }
            Value::Object(fields) => {
                let mut sorted: Vec<_> = fields.iter().collect();
                sorted.sort_by_key(|(key, _)| (rank(key), key.as_str()));
                let mut map = serializer.serialize_map(Some(sorted.len()))?;
                for (key, value) in sorted {
                    map.serialize_entry(key, &Self(value))?;
                }
                map.end()
            }
            scalar => scalar.serialize(serializer),
        }
    }
}

fn rank(key: &str) -> usize {
    FIRST
        .iter()
        .position(|first| *first == key)
        .unwrap_or(FIRST.len())
}
