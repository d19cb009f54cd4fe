//! What the API server would say of an object: the part of OpenAPI that our definitions use, then the CEL rules
//! by evaluation. Unknown fields are refused, as `kubectl` asks of the server by default.

use std::collections::BTreeMap;

use kube_cel::{CompiledSchema, Validator, compile_schema};
use regex::Regex;
use serde_json::{Map, Value};

/// A schema that objects can be held against.
pub(crate) struct Admission {
    schema: Value,
    rules: CompiledSchema,
    patterns: BTreeMap<String, Regex>,
}

impl Admission {
    pub(crate) fn of(kind: &str) -> Self {
        let schema = super::support::schema(kind);
        let rules = compile_schema(&schema);
        let mut patterns = BTreeMap::new();
        compile_patterns(&schema, &mut patterns);
        Self {
            schema,
            rules,
            patterns,
        }
    }

    /// Why it is refused; nothing where it is not.
    pub(crate) fn refusals(&self, object: &Value) -> Vec<String> {
        let mut found = Vec::new();
        self.shape("", &self.schema, object, &mut found);
        // As in the API server: rules are for objects of the right shape.
        if found.is_empty() {
            found = self.broken_rules(object);
        }
        found
    }

    /// The messages of the rules that do not hold, each after its place.
    pub(crate) fn broken_rules(&self, object: &Value) -> Vec<String> {
        match Validator::new().validate_compiled(&self.rules, object, None) {
            Ok(()) => Vec::new(),
            Err(errors) => {
                let told = errors.into_vec().into_iter();
                told.map(|error| format!("{}: {}", error.field_path, error.message))
                    .collect()
            }
        }
    }

    fn shape(&self, at: &str, schema: &Value, value: &Value, found: &mut Vec<String>) {
        let mut refuse = |why: String| found.push(format!("{at}: {why}"));
        let flag = |name: &str| schema[name] == true;
        if flag("x-kubernetes-int-or-string") {
            if !value.is_i64() && !value.is_string() {
                refuse("neither number nor text".to_owned());
            }
            return;
        }
        match schema["type"].as_str() {
            None => {}
            Some(wanted) if wanted == type_of(value) => {}
            Some(wanted) => return refuse(format!("it is no {wanted}")),
        }
        if let Some(words) = schema["enum"].as_array()
            && !words.contains(value)
        {
            refuse(format!("it is none of {words:?}"));
        }
        match value {
            Value::String(text) => self.text_shape(schema, text, &mut refuse),
            Value::Number(number) => {
                if schema["minimum"]
                    .as_i64()
                    .is_some_and(|least| number.as_i64().is_none_or(|number| number < least))
                {
                    refuse("it is too small".to_owned());
                }
            }
            Value::Array(items) => {
                if schema["maxItems"]
                    .as_u64()
                    .is_some_and(|most| items.len() as u64 > most)
                {
                    refuse("it is too long".to_owned());
                }
                if schema["x-kubernetes-list-type"] == "set"
                    && items
                        .iter()
                        .enumerate()
                        .any(|(index, item)| items[..index].contains(item))
                {
                    refuse("an item is there twice".to_owned());
                }
                for (index, item) in items.iter().enumerate() {
                    self.shape(&format!("{at}[{index}]"), &schema["items"], item, found);
                }
            }
            Value::Object(fields) => self.object_shape(at, schema, fields, found),
            Value::Null | Value::Bool(_) => {}
        }
    }

    fn text_shape(&self, schema: &Value, text: &str, refuse: &mut impl FnMut(String)) {
        let characters = text.chars().count() as u64;
        if schema["minLength"]
            .as_u64()
            .is_some_and(|least| characters < least)
            || schema["maxLength"].as_u64().is_some_and(|most| characters > most)
        {
            refuse("its length is out of bounds".to_owned());
        }
        if let Some(pattern) = schema["pattern"].as_str()
            && !self.patterns[pattern].is_match(text)
        {
            refuse(format!("it does not match {pattern}"));
        }
    }

    fn object_shape(&self, at: &str, schema: &Value, fields: &Map<String, Value>, found: &mut Vec<String>) {
        for name in schema["required"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
        {
            if !fields.contains_key(name) {
                found.push(format!("{at}.{name}: it is required"));
            }
        }
        let open = schema["x-kubernetes-preserve-unknown-fields"] == true || at == ".metadata";
        for (name, value) in fields {
            let at = format!("{at}.{name}");
            match (&schema["properties"][name], &schema["additionalProperties"]) {
                (Value::Null, Value::Null) if open => {}
                (Value::Null, Value::Null) => found.push(format!("{at}: unknown field")),
                (Value::Null, other) => self.shape(&at, other, value, found),
                (known, _) => self.shape(&at, known, value, found),
            }
        }
    }
}

/// Each pattern once: they are dear to compile.
fn compile_patterns(schema: &Value, patterns: &mut BTreeMap<String, Regex>) {
    match schema {
        Value::Object(fields) => {
            if let Some(pattern) = fields.get("pattern").and_then(Value::as_str) {
                patterns.insert(pattern.to_owned(), Regex::new(pattern).unwrap());
            }
            fields
                .values()
                .for_each(|below| compile_patterns(below, patterns));
        }
        Value::Array(items) => items.iter().for_each(|below| compile_patterns(below, patterns)),
        _ => {}
    }
}

fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}
