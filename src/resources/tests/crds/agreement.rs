//! What the API server admits and what [`Injection::from_object`] reads are the same injections: each field with
//! each of its values, beside each value of every other field.

use esi_resources::injection::Injection;
use serde_json::{Value, json};

use super::admission::Admission;
use super::support::injection;

/// Values of each field, good and bad. `null` takes the field away.
fn values() -> Vec<(&'static str, Vec<Value>)> {
    let generator = |kind: &str, namespace: &str, name: &str| json!({"generator": {"kind": kind, "namespace": namespace, "name": name}});
    let secret = |kind: &str, store: &str, key: &str| json!({"secret": {"storeKind": kind, "store": store, "key": key}});
    let long = |length: usize| "a".repeat(length);
    vec![
        (
            "source",
            vec![
                json!(null),
                json!({}),
                json!("x"),
                json!({"generator": {"kind": "Fake", "name": "a"}}),
                json!({"generator": {"kind": "Fake"}}),
                json!({"generator": {"name": "a"}}),
                json!({"generator": null}),
                json!({"generator": {"kind": "Fake", "name": "a", "x": 1}}),
                json!({"other": {}}),
                generator("Fake", "demo", "a.b"),
                generator("fake", "demo", "a"),
                generator("Fa-ke", "demo", "a"),
                generator("Fake", "de.mo", "a"),
                generator("Fake", "demo", "A"),
                generator("Fake", "demo", "a..b"),
                generator("Fake", "demo", "a.-b"),
                generator("Fake", "demo", &long(253)),
                generator("Fake", "demo", &long(254)),
                generator("Fake", &long(63), "a"),
                generator("Fake", &long(64), "a"),
                generator("Fake", "", "a"),
                generator(&"A".repeat(63), "demo", "a"),
                generator(&"A".repeat(64), "demo", "a"),
                secret("SecretStore", "vault", "shop/db"),
                secret("SecretStore", "vault", ""),
                secret("SecretStore", "vault", "a\nb"),
                secret("SecretStore", "vault", &long(253)),
                secret("SecretStore", "vault", &long(254)),
                secret("store", "vault", "a"),
                json!({"secret": {"storeKind": "SecretStore", "store": "a"}}),
                json!({"generator": {"kind": "Fake", "name": "a"}, "secret": {"storeKind": "SecretStore", "store": "a", "key": "b"}}),
            ],
        ),
        (
            "server",
            vec![
                json!("default"),
                json!("a-1"),
                json!(""),
                json!("A"),
                json!("a.b"),
                json!("-a"),
                json!(1),
                json!(long(64)),
            ],
        ),
        (
            "ttl",
            vec![
                json!("1s"),
                json!("1h30m"),
                json!("2160h"),
                json!("2161h"),
                json!("90m"),
                json!("999ms"),
                json!("1000ms"),
                json!("0s"),
                json!(""),
                json!("1"),
                json!("1d"),
                json!("1m1h"),
                json!("1.5h"),
                json!("-1s"),
                json!(" 1s"),
                json!("1s\n"),
                json!(3600),
                json!("01h"),
                json!("99999999h"),
                json!("1h1m1s1ms"),
                json!("1s1s"),
            ],
        ),
        (
            "overlap",
            vec![
                json!("0s"),
                json!("0ms"),
                json!("24h"),
                json!("24h1ms"),
                json!("1h"),
                json!("h"),
                json!("00h00m"),
            ],
        ),
        (
            "delivery",
            vec![
                json!("init"),
                json!("node"),
                json!("Node"),
                json!(""),
                json!(true),
            ],
        ),
        (
            "envMethod",
            vec![json!("file"), json!("exec"), json!("both"), json!(["file"])],
        ),
        (
            "allKeys",
            vec![json!(true), json!(false), json!("true"), json!(1)],
        ),
        (
            "env",
            vec![
                json!(null),
                json!([]),
                json!({}),
                json!([1]),
                json!([{}]),
                json!([{"name": "A"}]),
                json!([{"key": "a"}]),
                json!([{"name": "A", "key": "a", "template": "b"}]),
                json!([{"name": "A", "template": ""}]),
                json!([{"name": "A", "value": "a"}]),
                json!([{"name": "a-b.c_D1", "key": "a"}]),
                json!([{"name": "1A", "key": "a"}]),
                json!([{"name": "", "key": "a"}]),
                json!([{"name": "A=B", "key": "a"}]),
                json!([{"name": "Ä", "key": "a"}]),
                json!([{"name": long(253), "key": "a"}]),
                json!([{"name": long(254), "key": "a"}]),
                json!([{"name": "A", "key": ""}]),
                json!([{"name": "A", "key": "ä b"}]),
                json!([{"name": "A", "key": "a\u{85}"}]),
                json!([{"name": "A", "template": long(16384)}]),
                json!([{"name": "A", "template": long(16385)}]),
                json!([{"name": "A", "key": "a"}, {"name": "A", "key": "b"}]),
                json!(
                    (0..128)
                        .map(|i| json!({"name": format!("V{i}"), "key": "a"}))
                        .collect::<Vec<_>>()
                ),
                json!(
                    (0..129)
                        .map(|i| json!({"name": format!("V{i}"), "key": "a"}))
                        .collect::<Vec<_>>()
                ),
            ],
        ),
        ("files", files()),
        (
            "mountPath",
            vec![
                json!("/etc/db"),
                json!("/a"),
                json!("/.a/..b/c."),
                json!("/"),
                json!("a"),
                json!(""),
                json!("/a/"),
                json!("/a//b"),
                json!("/a/."),
                json!("/a/.."),
                json!("/../a"),
                json!("/a:b"),
                json!("/a\tb"),
                json!("/ä ö"),
                json!("/..."),
                json!(1),
                json!(format!("/{}", long(254))),
                json!(format!("/{}", long(255))),
            ],
        ),
        (
            "containers",
            vec![
                json!([]),
                json!(["app", "migrate"]),
                json!(["app", "app"]),
                json!(["App"]),
                json!([""]),
                json!(["a.b"]),
                json!("app"),
                json!([1]),
                json!((0..256).map(|i| format!("c{i}")).collect::<Vec<_>>()),
                json!((0..257).map(|i| format!("c{i}")).collect::<Vec<_>>()),
            ],
        ),
        ("mounthPath", vec![json!("/etc/db")]),
        ("version", vec![json!(1)]),
        ("binding", vec![json!("db")]),
        ("envMode", vec![json!("0400")]),
    ]
}

fn files() -> Vec<Value> {
    let mut files = vec![
        json!(null),
        json!([]),
        json!([{}]),
        json!([{"path": "a"}]),
        json!([{"path": "a", "content": "b"}]),
        json!([{"path": "a", "format": "json"}]),
        json!([{"path": "a", "format": "yamll"}]),
        json!([{"path": "a", "key": "b", "format": "env"}]),
        json!([{"path": "a", "key": "b", "template": "c"}]),
        json!([{"path": "a", "template": "{{ b }}"}]),
        json!([{"path": "a", "key": "k"}, {"path": "a", "key": "k"}]),
        json!([{"path": "a", "key": "k"}, {"path": "a/b", "key": "k"}]),
        json!([{"path": "a/b", "key": "k"}, {"path": "a/c", "key": "k"}]),
        json!([{"path": "a", "key": "k"}, {"path": "a-b", "key": "k"}]),
        json!(
            (0..64)
                .map(|i| json!({"path": format!("f{i}"), "key": "a"}))
                .collect::<Vec<_>>()
        ),
        json!(
            (0..65)
                .map(|i| json!({"path": format!("f{i}"), "key": "a"}))
                .collect::<Vec<_>>()
        ),
    ];
    let eight = ["a"; 8].join("/");
    let nine = ["a"; 9].join("/");
    let long = ["a".repeat(255), "b".repeat(255)].join("/");
    for path in [
        "",
        "a b",
        "ä",
        "a/b",
        ".a",
        "a/.b",
        "a/..b",
        "..a",
        "...",
        "a/...",
        "..",
        ".",
        "a/.",
        "a/..",
        "./a",
        "../a",
        "/a",
        "a/",
        "a//b",
        "a\nb",
        "a\u{7f}",
        "a\u{9f}",
        ".environ",
        ".environ/a",
        ".environs",
        "a/.environ",
        &*eight,
        &*nine,
        &*long,
    ] {
        files.push(json!([{"path": path, "key": "k"}]));
    }
    for mode in [
        "0400", "440", "0777", "0775", "0644", "0646", "1440", "4755", "40", "00440", "abc", "",
    ] {
        files.push(json!([{"path": "a", "key": "k", "mode": mode}]));
    }
    files.push(json!([{"path": "a", "key": "k", "mode": 400}]));
    files
}

fn base() -> Value {
    json!({"source": {"generator": {"kind": "Fake", "name": "a"}}, "files": [{"path": "db.json", "format": "json"}]})
}

fn set(spec: &mut Value, field: &str, value: &Value) {
    let fields = spec.as_object_mut().unwrap();
    match value {
        Value::Null => fields.remove(field),
        value => fields.insert(field.to_owned(), value.clone()),
    };
}

/// Every value alone, and every pair of short values of two fields.
fn corpus() -> Vec<Value> {
    let with = |spec: &Value, field: &str, value: &Value| {
        let mut spec = spec.clone();
        set(&mut spec, field, value);
        spec
    };
    let mut corpus = vec![base()];
    // Of the values before, those that are short.
    let mut before: Vec<(&str, Value)> = Vec::new();
    for (field, candidates) in values() {
        let (short, long): (Vec<_>, Vec<_>) = candidates
            .into_iter()
            .partition(|value| value.to_string().len() < 200);
        for value in &short {
            let spec = with(&base(), field, value);
            corpus.extend(before.iter().map(|(other, before)| with(&spec, other, before)));
            corpus.push(spec);
        }
        corpus.extend(long.iter().map(|value| with(&base(), field, value)));
        before.extend(short.into_iter().map(|value| (field, value)));
    }
    corpus
}

fn read(object: &Value) -> Result<Injection, String> {
    Injection::from_object(object, &"shop".parse().unwrap()).map_err(|error| error.to_string())
}

#[test]
fn the_api_server_admits_what_is_read_and_refuses_what_is_not() {
    let admission = Admission::of("Injection");
    let (mut good, mut bad) = (0, 0);
    for spec in corpus() {
        let object = injection(&spec);
        let refusals = admission.refusals(&object);
        match read(&object) {
            Ok(_) if refusals.is_empty() => good += 1,
            Err(_) if !refusals.is_empty() => bad += 1,
            Ok(_) => panic!("it is read, and the API server refuses it: {refusals:?}\n{spec}"),
            Err(error) => panic!("the API server admits it, and it is refused: {error}\n{spec}"),
        }
    }
    assert!(
        good > 500 && bad > 5000,
        "a corpus of {good} good and {bad} bad ones shows little"
    );
}

/// All that the API server lets pass and the reader does not, whose word then is in the object's status.
#[test]
fn what_only_the_reader_refuses_is_little() {
    let admission = Admission::of("Injection");
    let a_component_of_256 = json!([{"path": "a".repeat(256), "key": "k"}]);
    let a_key_longer_in_bytes = json!([{"path": "a", "key": "é".repeat(127)}]);
    let a_template_longer_in_bytes = json!([{"path": "a", "template": "é".repeat(8193)}]);
    let more_than_a_plan_holds: Value = (0..5)
        .map(|i| json!({"path": format!("f{i}"), "template": "a".repeat(16384)}))
        .collect();
    for (files, why) in [
        (a_component_of_256, "longer than 255 bytes"),
        (a_key_longer_in_bytes, "1 to 253 bytes"),
        (a_template_longer_in_bytes, "16386 bytes"),
        (more_than_a_plan_holds, "the plan has"),
    ] {
        let mut spec = base();
        set(&mut spec, "files", &files);
        let object = injection(&spec);
        assert_eq!(admission.refusals(&object), [""; 0]);
        let error = read(&object).unwrap_err();
        assert!(error.contains(why), "{error}");
    }
    let mut spec = base();
    set(&mut spec, "mountPath", &json!(format!("/{}", "é".repeat(200))));
    assert_eq!(admission.refusals(&injection(&spec)), [""; 0]);
    assert!(read(&injection(&spec)).is_err());
}
