//! Pods of every shape that Kubernetes takes, and JSON of every shape.

use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use serde_json::{Map, Value, json};

/// Names of variables, of which bindings set some too.
pub(super) const VARIABLES: [&str; 6] = ["SHARED", "A_0", "A_1", "B_0", "PORT", "URL"];

/// A field that may be missing, `null`, or there.
fn field(value: impl Strategy<Value = Value> + 'static) -> BoxedStrategy<Option<Value>> {
    prop_oneof![3 => Just(None), 1 => Just(Some(Value::Null)), 6 => value.prop_map(Some)].boxed()
}

/// An object of fields that may be missing.
fn object(fields: Vec<(&'static str, BoxedStrategy<Option<Value>>)>) -> BoxedStrategy<Value> {
    let (keys, values): (Vec<_>, Vec<_>) = fields.into_iter().unzip();
    values
        .prop_map(move |values| {
            let there = keys
                .iter()
                .zip(values)
                .filter_map(|(key, value)| Some(((*key).to_owned(), value?)));
            Value::Object(there.collect())
        })
        .boxed()
}

/// A list of objects, whose names are `prefix` and their index.
fn named(
    prefix: &'static str,
    one: BoxedStrategy<Value>,
    count: std::ops::Range<usize>,
) -> BoxedStrategy<Value> {
    vec(one, count)
        .prop_map(move |mut list| {
            for (index, value) in list.iter_mut().enumerate() {
                value["name"] = json!(format!("{prefix}{index}"));
            }
            Value::Array(list)
        })
        .boxed()
}

fn one_of(values: &[Value]) -> BoxedStrategy<Value> {
    select(values.to_vec()).boxed()
}

/// A field that this program does not know.
fn unknown() -> BoxedStrategy<Option<Value>> {
    field(json_value())
}

fn variables() -> BoxedStrategy<Value> {
    let one = (select(VARIABLES.to_vec()), 0..4).prop_map(|(name, kind)| match kind {
        0 => json!({ "name": name, "value": "$(SHARED)" }),
        1 => json!({ "name": name, "valueFrom": { "secretKeyRef": { "name": "s", "key": "k" } } }),
        2 => json!({ "name": name, "valueFrom": null, "newer": [1] }),
        _ => json!({ "name": name }),
    });
    vec(one, 0..5).prop_map(Value::Array).boxed()
}

fn mounts() -> BoxedStrategy<Value> {
    let paths = [
        "/var/run",
        "/etc/app",
        "/data",
        "/data/x",
        "/ä",
        "/var/run/secrets/kubernetes.io/serviceaccount",
    ];
    subsequence(paths.to_vec(), 0..=paths.len())
        .prop_map(|paths| {
            let mount = |(index, path): (usize, &&str)| json!({ "name": format!("v{}", index % 2), "mountPath": path });
            paths.iter().enumerate().map(mount).collect()
        })
        .boxed()
}

fn security() -> BoxedStrategy<Value> {
    let id = || field(one_of(&[json!(0), json!(1000), json!(1001)]));
    object(vec![
        ("runAsUser", id()),
        ("runAsGroup", id()),
        ("runAsNonRoot", field(one_of(&[json!(true)]))),
    ])
}

fn amounts() -> BoxedStrategy<Value> {
    let cpu = field(one_of(&[json!("1"), json!("1000m"), json!("0"), json!(2)]));
    let memory = field(one_of(&[json!("1Gi"), json!("1024Mi"), json!("1G")]));
    object(vec![
        ("cpu", cpu),
        ("memory", memory),
        ("nvidia.com/gpu", field(one_of(&[json!(1)]))),
    ])
}

fn resources() -> BoxedStrategy<Value> {
    let amounts = || field(amounts());
    let equal = self::amounts().prop_map(|amounts| json!({ "limits": amounts, "requests": amounts }));
    prop_oneof![
        object(vec![("limits", amounts()), ("requests", amounts())]),
        equal
    ]
    .boxed()
}

fn container() -> BoxedStrategy<Value> {
    let command = one_of(&[
        json!(["/bin/app"]),
        json!(["sh", "-c", "$(SHARED) -- ä"]),
        json!([]),
    ]);
    let always = prop_oneof![3 => Just(None), 1 => Just(Some(json!("Always")))].boxed();
    object(vec![
        ("image", field(one_of(&[json!("app:1")]))),
        ("command", field(command)),
        ("args", field(one_of(&[json!(["--", "$(URL)"])]))),
        ("env", field(variables())),
        (
            "envFrom",
            field(one_of(&[json!([{ "secretRef": { "name": "s" } }])])),
        ),
        ("volumeMounts", field(mounts())),
        ("securityContext", field(security())),
        ("resources", field(resources())),
        ("restartPolicy", always),
        ("newerThanThis", unknown()),
    ])
}

fn volume() -> BoxedStrategy<Value> {
    one_of(&[
        json!({ "emptyDir": {} }),
        json!({ "hostPath": { "path": "/x" } }),
        json!({ "csi": { "driver": "other" } }),
        json!({ "csi": { "driver": "esi.csi.external-secrets.io" } }),
    ])
}

/// A pod that Kubernetes takes. Whoever mounts a volume has it.
pub(super) fn pod() -> BoxedStrategy<Value> {
    let texts = || field(one_of(&[json!({}), json!({ "a/b~c": "ä", "z": "" })]));
    let metadata = object(vec![
        ("annotations", texts()),
        ("labels", texts()),
        ("newer", unknown()),
    ]);
    let spec = object(vec![
        ("initContainers", field(named("i", container(), 0..3))),
        ("volumes", field(named("v", volume(), 2..4))),
        (
            "securityContext",
            field(
                (security(), field(one_of(&[json!(2000)]))).prop_map(|(mut security, group)| {
                    if let Some(group) = group {
                        security["fsGroup"] = group;
                    }
                    security
                }),
            ),
        ),
        (
            "restartPolicy",
            field(one_of(&[json!("Never"), json!("OnFailure"), json!("Always")])),
        ),
        (
            "resources",
            prop_oneof![9 => Just(None), 1 => amounts().prop_map(|limits| Some(json!({ "limits": limits })))]
                .boxed(),
        ),
        ("hostUsers", field(one_of(&[json!(false)]))),
        ("newerThanThis", unknown()),
    ]);
    (field(metadata), spec, named("c", container(), 1..4))
        .prop_map(|(metadata, mut spec, containers)| {
            spec["containers"] = containers;
            let mounts = spec.to_string().contains("mountPath");
            if mounts && !spec["volumes"].is_array() {
                spec["volumes"] = json!([{ "name": "v0", "emptyDir": {} }, { "name": "v1", "emptyDir": {} }]);
            }
            let mut pod = json!({ "apiVersion": "v1", "kind": "Pod", "spec": spec });
            if let Some(metadata) = metadata {
                pod["metadata"] = metadata;
            }
            pod
        })
        .boxed()
}

/// Words that mean something in a pod.
const WORDS: [&str; 24] = [
    "metadata",
    "annotations",
    "labels",
    "spec",
    "containers",
    "initContainers",
    "ephemeralContainers",
    "volumes",
    "name",
    "env",
    "valueFrom",
    "fileKeyRef",
    "volumeName",
    "volumeMounts",
    "mountPath",
    "subPath",
    "readOnly",
    "command",
    "securityContext",
    "runAsUser",
    "resources",
    "limits",
    "esi-env",
    "esi.external-secrets.io/injected",
];

/// Any JSON, with the words of a pod in it.
pub(super) fn json_value() -> BoxedStrategy<Value> {
    let word = || prop_oneof![4 => select(WORDS.to_vec()).prop_map(str::to_owned), 1 => "\\PC{0,6}"];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        word().prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 48, 5, move |inner| {
        prop_oneof![
            vec(inner.clone(), 0..5).prop_map(Value::Array),
            btree_map(word(), inner, 0..5)
                .prop_map(|map| Value::Object(map.into_iter().collect::<Map<_, _>>())),
        ]
    })
    .boxed()
}
