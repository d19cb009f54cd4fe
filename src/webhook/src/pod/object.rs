//! Typed access to JSON objects, which knows where it is.

use std::fmt;

use serde_json::Number;
use thiserror::Error;

use crate::json::{self, List, Value};

/// What in a pod has not the shape that Kubernetes gives it, and where.
#[derive(Debug, Error, Clone, PartialEq, Eq)]
#[error("{place}: {problem}")]
pub struct PodError {
    place: String,
    problem: &'static str,
}

/// A place in the pod; a list on the stack, written out only when something is wrong there.
#[derive(Debug, Clone, Copy)]
struct Place<'p> {
    above: Option<&'p Place<'p>>,
    step: Step<'p>,
}

#[derive(Debug, Clone, Copy)]
enum Step<'p> {
    Root,
    Key(&'p str),
    Element(&'p str, usize),
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(above) = self.above else {
            return f.write_str("pod");
        };
        write!(f, "{above}")?;
        match self.step {
            Step::Root => Ok(()),
            Step::Key(key) => write!(f, ".{key}"),
            Step::Element(key, index) => write!(f, ".{key}[{index}]"),
        }
    }
}

/// A JSON object of the pod.
#[derive(Debug)]
pub(crate) struct Object<'a, 'p> {
    fields: json::Object<'a>,
    place: Place<'p>,
}

/// User and group ids: Kubernetes takes 0 to 2³¹−1.
const IDS: std::ops::RangeInclusive<i64> = 0..=i32::MAX as i64;

impl<'a, 'p> Object<'a, 'p> {
    /// The pod itself.
    pub(super) fn root(value: Value<'a>) -> Result<Self, PodError> {
        let place = Place {
            above: None,
            step: Step::Root,
        };
        match value.as_object() {
            Some(fields) => Ok(Self { fields, place }),
            None => Err(wrong(&place, "it is no object")),
        }
    }

    /// Everything in it.
    pub(crate) fn fields(&self) -> json::Object<'a> {
        self.fields
    }

    /// An error at a field of this object.
    pub(super) fn error(&self, key: &str, problem: &'static str) -> PodError {
        wrong(&self.below(Step::Key(key)), problem)
    }

    fn below<'s>(&'s self, step: Step<'s>) -> Place<'s> {
        Place {
            above: Some(&self.place),
            step,
        }
    }

    fn field(&self, key: &str) -> Option<Value<'a>> {
        self.fields.get(key).filter(|value| !value.is_null())
    }

    /// The object in a field.
    pub(crate) fn object<'s>(&'s self, key: &'s str) -> Result<Option<Object<'a, 's>>, PodError> {
        let Some(value) = self.field(key) else {
            return Ok(None);
        };
        let fields = value
            .as_object()
            .ok_or_else(|| self.error(key, "it is no object"))?;
        let place = self.below(Step::Key(key));
        Ok(Some(Object { fields, place }))
    }

    /// The object in a field that must be there.
    pub(super) fn required_object<'s>(&'s self, key: &'s str) -> Result<Object<'a, 's>, PodError> {
        self.object(key)?.ok_or_else(|| self.error(key, "there is none"))
    }

    /// The object in a field, whose own fields are all texts.
    pub(super) fn texts(&self, key: &str) -> Result<Option<json::Object<'a>>, PodError> {
        let Some(object) = self.object(key)? else {
            return Ok(None);
        };
        let is_text = |value: Value<'_>| value.as_str().is_some() || value.is_null();
        match object.fields.entries().all(|(_, value)| is_text(value)) {
            true => Ok(Some(object.fields)),
            false => Err(self.error(key, "one of its values is no text: put it in quotes")),
        }
    }

    /// The text in a field.
    pub(super) fn text(&self, key: &str) -> Result<Option<&'a str>, PodError> {
        let Some(value) = self.field(key) else {
            return Ok(None);
        };
        let text = value.as_str().ok_or_else(|| self.error(key, "it is no text"))?;
        Ok(Some(text))
    }

    /// The text in a field that must be there.
    pub(super) fn required_text(&self, key: &str) -> Result<&'a str, PodError> {
        self.text(key)?.ok_or_else(|| self.error(key, "there is none"))
    }

    /// The user or group id in a field.
    pub(super) fn id(&self, key: &str) -> Result<Option<i64>, PodError> {
        match self.field(key) {
            None => Ok(None),
            Some(value) => match value
                .as_number()
                .and_then(Number::as_i64)
                .filter(|id| IDS.contains(id))
            {
                Some(id) => Ok(Some(id)),
                None => Err(self.error(key, "it is no number from 0 to 2147483647")),
            },
        }
    }

    /// The truth value in a field; `false` where absent.
    pub(super) fn flag(&self, key: &str) -> Result<bool, PodError> {
        match self.field(key) {
            None => Ok(false),
            Some(value) => value
                .as_bool()
                .ok_or_else(|| self.error(key, "it is neither `true` nor `false`")),
        }
    }

    /// What is made of each object of the list in a field; absent where there is no list.
    pub(super) fn each<T>(
        &self,
        key: &str,
        mut read: impl FnMut(usize, &Object<'a, '_>) -> Result<T, PodError>,
    ) -> Result<Option<Vec<T>>, PodError> {
        let Some(list) = self.list(key, "it is no list")? else {
            return Ok(None);
        };
        let read = list.elements().enumerate().map(|(index, value)| {
            let place = self.below(Step::Element(key, index));
            match value.as_object() {
                Some(fields) => read(index, &Object { fields, place }),
                None => Err(wrong(&place, "it is no object")),
            }
        });
        read.collect::<Result<_, _>>().map(Some)
    }

    /// The list of texts in a field.
    pub(super) fn text_list(&self, key: &str) -> Result<Option<Vec<&'a str>>, PodError> {
        let problem = "it is no list of texts";
        let Some(list) = self.list(key, problem)? else {
            return Ok(None);
        };
        let texts: Option<_> = list.elements().map(Value::as_str).collect();
        texts.map(Some).ok_or_else(|| self.error(key, problem))
    }

    fn list(&self, key: &str, problem: &'static str) -> Result<Option<List<'a>>, PodError> {
        let Some(value) = self.field(key) else {
            return Ok(None);
        };
        let list = value.as_list().ok_or_else(|| self.error(key, problem))?;
        Ok(Some(list))
    }
}

fn wrong(place: &Place<'_>, problem: &'static str) -> PodError {
    PodError {
        place: place.to_string(),
        problem,
    }
}
