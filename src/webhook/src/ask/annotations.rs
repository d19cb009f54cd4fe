//! The annotations of one prefix, as a pod's raw JSON has them.

use std::collections::BTreeMap;

use super::error::AskError;
use super::grammar;
use super::text::{Text, quote};
use crate::json::{Object, Value};
use esi_core::plan::limits;

/// The prefix of our own annotations.
pub const OWN: &str = "esi.external-secrets.io/";
/// The prefix of the original's annotations.
pub const ORIGINAL: &str = "secretless.externalsecrets.com/";

/// Most bytes of one annotation: a plan has no more, so that what is longer could not become one.
const MAX_VALUE_BYTES: usize = limits::MAX_BYTES;

/// The annotations of one prefix, by what follows it. Values are looked at when they are asked for.
#[derive(Debug, Clone)]
pub(super) struct Annotations<'a> {
    prefix: &'static str,
    values: BTreeMap<&'a str, Value<'a>>,
}

impl<'a> Annotations<'a> {
    pub(super) fn under(prefix: &'static str, all: Object<'a>) -> Self {
        let values = all
            .entries()
            .filter_map(|(name, value)| Some((name.strip_prefix(prefix)?, value)))
            .collect();
        Self { prefix, values }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    pub(super) fn keys(&self) -> impl Iterator<Item = &'a str> {
        self.values.keys().copied()
    }

    pub(super) fn has(&self, key: &str) -> bool {
        self.values.contains_key(key)
    }

    /// The annotation's full name.
    pub(super) fn name(&self, key: &str) -> String {
        format!("{}{}", self.prefix, quote(key))
    }

    /// What messages call it.
    pub(super) fn place(&self, key: &str) -> String {
        format!("annotation `{}`", self.name(key))
    }

    pub(super) fn malformed(&self, key: &str, problem: impl AsRef<str>) -> AskError {
        AskError::malformed(self.place(key), problem)
    }

    pub(super) fn unknown(&self, key: &str, known: &str) -> AskError {
        AskError::UnknownAnnotation {
            annotation: Text::new(self.name(key)),
            known: Text::new(known),
        }
    }

    /// The value, without the white space around it (a YAML block leaves a newline behind).
    pub(super) fn get(&self, key: &str) -> Result<Option<&'a str>, AskError> {
        Ok(self.exact(key)?.map(str::trim))
    }

    /// The value as it is.
    fn exact(&self, key: &str) -> Result<Option<&'a str>, AskError> {
        let Some(value) = self.values.get(key) else {
            return Ok(None);
        };
        match value.as_str() {
            Some(text) if text.len() > MAX_VALUE_BYTES => Err(AskError::too_much(
                self.place(key),
                format!("it has {} bytes; at most {MAX_VALUE_BYTES} are read", text.len()),
            )),
            Some(text) => Ok(Some(text)),
            // The API server takes only text; a manifest that is explained without one may hold anything.
            None => Err(self.malformed(
                key,
                format!(
                    "it is no text: quote the value, as in `{}: \"…\"`",
                    self.name(key)
                ),
            )),
        }
    }

    /// `"true"` and `"false"`, exactly: the conditions under which admission is called compare in this way too.
    pub(super) fn flag(&self, key: &str) -> Result<Option<bool>, AskError> {
        match self.exact(key)? {
            None => Ok(None),
            Some("true") => Ok(Some(true)),
            Some("false") => Ok(Some(false)),
            Some(other) => Err(self.malformed(
                key,
                format!("`{}` is neither `\"true\"` nor `\"false\"`", quote(other)),
            )),
        }
    }

    /// One of some words.
    pub(super) fn word<T: Copy>(&self, key: &str, words: &[(&str, T)]) -> Result<Option<T>, AskError> {
        match self.get(key)? {
            None => Ok(None),
            Some(text) => grammar::word(text, words)
                .map(Some)
                .map_err(|problem| self.malformed(key, problem)),
        }
    }

    /// A comma list of at least one and at most `max` entries.
    pub(super) fn list(&self, key: &str, max: usize) -> Result<Option<Vec<&'a str>>, AskError> {
        match self.get(key)? {
            None => Ok(None),
            Some(text) => grammar::entries(&self.place(key), text, max).map(Some),
        }
    }
}
