//! What others do to a pod: other webhooks, the API server, and nobody in his right mind.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::{Value, json};

use super::pods::json_value;

/// What another webhook or the API server does to a pod after us.
#[derive(Debug, Clone, Copy)]
pub(super) enum Edit {
    Sidecar,
    InitFirst,
    InitLast,
    Label,
    VariableFirst,
    VariableLast,
    Mount,
    Defaults,
}

pub(super) fn edits() -> impl Strategy<Value = Vec<Edit>> {
    use Edit::*;
    let all = vec![
        Sidecar,
        InitFirst,
        InitLast,
        Label,
        VariableFirst,
        VariableLast,
        Mount,
        Defaults,
    ];
    prop::sample::subsequence(all, 1..=8).prop_shuffle()
}

/// Does it.
pub(super) fn edit(mut pod: Value, edit: &Edit) -> Value {
    let theirs =
        |name: &str| json!({ "name": name, "image": "theirs:1", "resources": { "limits": { "cpu": "1" } } });
    let variable = |name: &str| json!({ "name": name, "value": "1" });
    match edit {
        Edit::Sidecar => list(&mut pod, "/spec", "containers").push(theirs("theirs")),
        Edit::InitFirst => list(&mut pod, "/spec", "initContainers").insert(0, theirs("first")),
        Edit::InitLast => list(&mut pod, "/spec", "initContainers").push(theirs("last")),
        Edit::Label => pod["metadata"]["labels"]["theirs"] = json!("1"),
        Edit::VariableFirst => list(&mut pod, "/spec/containers/0", "env").insert(0, variable("FIRST")),
        Edit::VariableLast => list(&mut pod, "/spec/containers/0", "env").push(variable("LAST")),
        Edit::Mount => {
            list(&mut pod, "/spec", "volumes").insert(0, json!({ "name": "theirs", "emptyDir": {} }));
            list(&mut pod, "/spec/containers/0", "volumeMounts")
                .insert(0, json!({ "name": "theirs", "mountPath": "/theirs" }));
        }
        Edit::Defaults => {
            for kind in ["containers", "initContainers"] {
                for container in list(&mut pod, "/spec", kind) {
                    container["terminationMessagePath"] = json!("/dev/termination-log");
                    container["imagePullPolicy"] = json!("IfNotPresent");
                }
            }
            for volume in list(&mut pod, "/spec", "volumes") {
                if volume["projected"].is_object() {
                    volume["projected"]["defaultMode"] = json!(420);
                }
            }
        }
    }
    pod
}

fn list<'p>(pod: &'p mut Value, above: &str, key: &str) -> &'p mut Vec<Value> {
    let list = &mut pod.pointer_mut(above).unwrap()[key];
    if !list.is_array() {
        *list = json!([]);
    }
    list.as_array_mut().unwrap()
}

/// Places of a pod, and what is put there instead.
pub(super) fn mangled() -> impl Strategy<Value = Vec<(Index, Value)>> {
    vec((any::<Index>(), json_value()), 1..4)
}

/// Puts something else into one place of a pod.
pub(super) fn mangle(mut pod: Value, (place, value): (Index, Value)) -> Value {
    let mut places = Vec::new();
    collect(&pod, &mut String::new(), &mut places);
    let pointer = place.get(&places).clone();
    if let Some(there) = pod.pointer_mut(&pointer) {
        *there = value;
    }
    pod
}

fn collect(value: &Value, path: &mut String, places: &mut Vec<String>) {
    places.push(path.clone());
    let length = path.len();
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                path.push('/');
                path.push_str(&key.replace('~', "~0").replace('/', "~1"));
                collect(value, path, places);
                path.truncate(length);
            }
        }
        Value::Array(list) => {
            for (index, value) in list.iter().enumerate() {
                path.push_str(&format!("/{index}"));
                collect(value, path, places);
                path.truncate(length);
            }
        }
        _ => {}
    }
}
