//! The rules of structural schemas, which the API server checks before it takes a definition
//! (<https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/>).

use esi_resources::crd;
use kube_cel::{AnalysisWarning, ScopeContext, WarningKind, analyze_rule, compile_schema};
use regex::Regex;
use rstest::rstest;
use serde_json::{Map, Value, json};

/// What our definitions use; all else is refused here, also what the API server would take.
const KNOWN: [&str; 20] = [
    "additionalProperties",
    "description",
    "enum",
    "format",
    "items",
    "maxItems",
    "maxLength",
    "minLength",
    "minimum",
    "maximum",
    "pattern",
    "properties",
    "required",
    "type",
    "x-kubernetes-int-or-string",
    "x-kubernetes-list-map-keys",
    "x-kubernetes-list-type",
    "x-kubernetes-preserve-unknown-fields",
    "x-kubernetes-validations",
    "nullable",
];

/// The problems of a schema and of all below it.
fn problems(at: &str, schema: &Value) -> Vec<String> {
    let Some(node) = schema.as_object() else {
        return vec![format!("{at}: it is no object")];
    };
    let mut found = Vec::new();
    let mut problem = |text: &str| found.push(format!("{at}: {text}"));
    for keyword in node.keys().filter(|keyword| !KNOWN.contains(&keyword.as_str())) {
        problem(&format!("unexpected keyword {keyword}"));
    }
    let is = |flag: &str| node.get(flag) == Some(&json!(true));
    let typeless = is("x-kubernetes-int-or-string") || is("x-kubernetes-preserve-unknown-fields");
    match node.get("type").map(Value::as_str) {
        None if typeless => {}
        Some(Some("object" | "array" | "string" | "integer" | "number" | "boolean")) => {}
        other => problem(&format!("no type: {other:?}")),
    }
    if node.contains_key("properties") && node.contains_key("additionalProperties") {
        problem("properties and additionalProperties exclude each other");
    }
    if node.get("type") == Some(&json!("array")) && !node.contains_key("items") {
        problem("an array without items");
    }
    if node.contains_key("nullable") {
        problem("null is no value");
    }
    if let Some(format) = node.get("format").and_then(Value::as_str)
        && !["int32", "int64", "date-time"].contains(&format)
    {
        problem(&format!("the API server ignores the format {format}"));
    }
    if let Some(pattern) = node.get("pattern").and_then(Value::as_str)
        && Regex::new(pattern).is_err()
    {
        problem("the pattern is no regular expression without look-around");
    }
    let properties = node.get("properties").and_then(Value::as_object);
    for name in texts(node, "required") {
        if !properties.is_some_and(|properties| properties.contains_key(name)) {
            problem(&format!("{name} is required and no property"));
        }
    }
    for key in texts(node, "x-kubernetes-list-map-keys") {
        if !texts(node["items"].as_object().unwrap(), "required").any(|required| required == key) {
            problem(&format!("the key {key} of a list is not required of its items"));
        }
    }
    found.extend(rules(at, schema));
    for (name, below) in properties.into_iter().flatten() {
        found.extend(problems(&format!("{at}.{name}"), below));
    }
    for below in ["items", "additionalProperties"] {
        if let Some(below) = node.get(below) {
            found.extend(problems(&format!("{at}[]"), below));
        }
    }
    found
}

/// The problems of a schema's own rules.
fn rules(at: &str, schema: &Value) -> Vec<String> {
    let mut found = Vec::new();
    let compiled = compile_schema(schema);
    found.extend(
        compiled
            .compilation_errors()
            .iter()
            .map(|error| format!("{at}: {error}")),
    );
    for rule in schema["x-kubernetes-validations"]
        .as_array()
        .into_iter()
        .flatten()
    {
        let text = rule["rule"].as_str().unwrap_or_default();
        let message = rule["message"].as_str().unwrap_or_default();
        if message.is_empty() || message.contains('\n') {
            found.push(format!("{at}: a rule without a message of one line: {text}"));
        }
        let warnings = analyze_rule(text, &compiled, ScopeContext::CrdValidation);
        // It takes what a macro binds for a variable from outside; ours are called these.
        let bound = |warning: &AnalysisWarning| {
            ["'one' is", "'other' is"]
                .iter()
                .any(|name| warning.message.contains(name))
        };
        // Its cost is no check: it takes the bounds of whichever property its hash map yields first. The API
        // server of the integration tests, which takes every definition, estimates it properly.
        let guess = |warning: &AnalysisWarning| warning.kind == WarningKind::CostExceeded;
        let warnings = warnings
            .iter()
            .filter(|warning| !bound(warning) && !guess(warning));
        found.extend(warnings.map(|warning| format!("{at}: {} ({text})", warning.message)));
    }
    found
}

fn texts<'a>(node: &'a Map<String, Value>, keyword: &str) -> impl Iterator<Item = &'a str> {
    node.get(keyword)
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
}

#[test]
fn every_definition_is_structural() {
    for crd in crd::all() {
        let version = &crd.definition["spec"]["versions"][0];
        assert_eq!(
            problems(&crd.name, &version["schema"]["openAPIV3Schema"]),
            [""; 0]
        );
        assert_eq!(version["subresources"], json!({"status": {}}), "{}", crd.name);
    }
}

#[test]
fn every_definition_is_named_as_kubernetes_wants() {
    for crd in crd::all() {
        let spec = &crd.definition["spec"];
        let names = &spec["names"];
        let (plural, group) = (names["plural"].as_str().unwrap(), spec["group"].as_str().unwrap());
        assert_eq!(crd.definition["metadata"]["name"], format!("{plural}.{group}"));
        let singular = names["kind"].as_str().unwrap().to_lowercase();
        assert_eq!(names["singular"], singular);
        assert!(plural.starts_with(singular.trim_end_matches('y')), "{plural}");
    }
}

#[rstest]
#[case::no_type(json!({}), "no type")]
#[case::reference(json!({"type": "object", "$ref": "#/x"}), "unexpected keyword $ref")]
#[case::default(json!({"type": "string", "default": null}), "unexpected keyword default")]
#[case::types(json!({"type": ["string", "null"]}), "no type")]
#[case::additional(json!({"type": "object", "properties": {}, "additionalProperties": false}), "exclude")]
#[case::items(json!({"type": "array"}), "without items")]
#[case::inner(json!({"type": "object", "properties": {"a": {"anyOf": []}}}), "unexpected keyword anyOf")]
#[case::look_ahead(json!({"type": "string", "pattern": "^(?!a)"}), "look-around")]
#[case::unsigned(json!({"type": "integer", "format": "uint32"}), "ignores the format")]
#[case::rule(json!({"type": "string", "x-kubernetes-validations": [{"rule": "self ==", "message": "m"}]}), "x")]
#[case::message(json!({"type": "string", "x-kubernetes-validations": [{"rule": "self == ''"}]}), "without a message")]
#[case::scope(json!({"type": "string", "x-kubernetes-validations": [{"rule": "object == ''", "message": "m"}]}), "not available")]
fn the_check_finds_what_the_api_server_refuses(#[case] schema: Value, #[case] problem: &str) {
    let found = problems("x", &schema).join("; ");
    assert!(found.contains(problem), "{found}");
}
