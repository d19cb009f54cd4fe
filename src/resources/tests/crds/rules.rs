//! Each CEL rule of an injection, by evaluation: an object that keeps it, and one that breaks it alone.

use rstest::rstest;
use serde_json::{Value, json};

use super::admission::Admission;
use super::support::injection;

fn spec() -> Value {
    json!({
        "source": {"generator": {"kind": "PostgreSQL", "namespace": "platform", "name": "shop"}},
        "ttl": "1h",
        "overlap": "5m",
        "env": [{"name": "DB_USER", "key": "username"}],
        "files": [{"path": "db.json", "format": "json"}],
    })
}

/// The `spec` with other values for some fields; `null` takes a field away.
fn with(changes: &Value) -> Value {
    let mut spec = spec();
    for (field, value) in changes.as_object().unwrap() {
        match value {
            Value::Null => spec.as_object_mut().unwrap().remove(field),
            value => spec.as_object_mut().unwrap().insert(field.clone(), value.clone()),
        };
    }
    spec
}

#[rstest]
#[case::no_source(json!({"source": {}}), "exactly one of `generator` and `secret`")]
#[case::two_sources(json!({"source": {"generator": {"kind": "Fake", "name": "a"}, "secret": {"storeKind": "SecretStore", "store": "a", "key": "b"}}}), "exactly one of `generator` and `secret`")]
#[case::env_neither(json!({"env": [{"name": "A"}]}), "exactly one of `key` and `template`")]
#[case::env_both(json!({"env": [{"name": "A", "key": "a", "template": "b"}]}), "exactly one of `key` and `template`")]
#[case::file_none(json!({"files": [{"path": "a"}]}), "exactly one of `format`, `key` and `template`")]
#[case::file_two(json!({"files": [{"path": "a", "key": "a", "format": "json"}]}), "exactly one of `format`, `key` and `template`")]
#[case::file_three(json!({"files": [{"path": "a", "key": "a", "format": "json", "template": "b"}]}), "exactly one of `format`, `key` and `template`")]
#[case::all_keys(json!({"allKeys": true}), "name them in `env`")]
#[case::all_keys_file(json!({"allKeys": true, "envMethod": "file"}), "name them in `env`")]
#[case::node_exec(json!({"delivery": "node", "envMethod": "exec"}), "`delivery: init`")]
#[case::env_twice(json!({"env": [{"name": "A", "key": "a"}, {"name": "B", "key": "b"}, {"name": "A", "key": "c"}]}), "a variable is there twice")]
#[case::file_twice(json!({"files": [{"path": "a", "key": "a"}, {"path": "a", "key": "b"}]}), "two files cannot both be")]
#[case::file_below(json!({"files": [{"path": "a/b", "key": "a"}, {"path": "a", "key": "b"}]}), "two files cannot both be")]
#[case::environ(json!({"envMethod": "exec", "files": [{"path": ".environ", "key": "a"}]}), "choose another path")]
#[case::below_environ(json!({"envMethod": "exec", "files": [{"path": ".environ/x", "key": "a"}]}), "choose another path")]
#[case::nothing(json!({"env": null, "files": null}), "nothing would be shown")]
#[case::empty(json!({"env": [], "files": [], "allKeys": false}), "nothing would be shown")]
#[case::short_ttl(json!({"ttl": "999ms"}), "write 1s to 2160h")]
#[case::long_ttl(json!({"ttl": "2160h1ms"}), "write 1s to 2160h")]
#[case::long_overlap(json!({"overlap": "24h1s"}), "write 0s to 24h")]
fn a_broken_rule_says_what_to_write(#[case] changes: Value, #[case] message: &str) {
    let broken = Admission::of("Injection").broken_rules(&injection(&with(&changes)));
    let [only] = broken.as_slice() else {
        panic!("one rule is broken, and {} say so: {broken:?}", broken.len());
    };
    assert!(only.contains(message), "{only}");
}

#[rstest]
#[case::as_it_is(json!({}))]
#[case::secret(json!({"source": {"secret": {"storeKind": "SecretStore", "store": "a", "key": "b"}}}))]
#[case::env_template(json!({"env": [{"name": "A", "template": "b"}]}))]
#[case::file_key(json!({"files": [{"path": "a", "key": "a"}]}))]
#[case::file_template(json!({"files": [{"path": "a", "template": "a"}]}))]
#[case::all_keys(json!({"allKeys": true, "envMethod": "exec", "env": null, "files": null}))]
#[case::no_all_keys(json!({"allKeys": false}))]
#[case::node(json!({"delivery": "node"}))]
#[case::node_file(json!({"delivery": "node", "envMethod": "file"}))]
#[case::init_exec(json!({"delivery": "init", "envMethod": "exec"}))]
#[case::env_alike(json!({"env": [{"name": "A", "key": "a"}, {"name": "a", "key": "a"}, {"name": "AA", "key": "a"}]}))]
#[case::files_alike(json!({"files": [{"path": "a", "key": "a"}, {"path": "ab", "key": "a"}, {"path": "c/a", "key": "a"}, {"path": "c/ab", "key": "a"}]}))]
#[case::environ_of_file(json!({"files": [{"path": ".environ", "key": "a"}]}))]
#[case::environ_alike(json!({"envMethod": "exec", "files": [{"path": ".environment", "key": "a"}]}))]
#[case::only_env(json!({"files": null}))]
#[case::only_files(json!({"env": null}))]
#[case::shortest(json!({"ttl": "1s", "overlap": "0s"}))]
#[case::longest(json!({"ttl": "2160h", "overlap": "24h"}))]
#[case::most(json!({
    "env": (0..128).map(|i| json!({"name": format!("V{i}"), "key": "a"})).collect::<Vec<_>>(),
    "files": (0..64).map(|i| json!({"path": format!("f{i}"), "key": "a"})).collect::<Vec<_>>(),
}))]
fn what_keeps_the_rules_is_admitted(#[case] changes: Value) {
    assert_eq!(
        Admission::of("Injection").refusals(&injection(&with(&changes))),
        [""; 0]
    );
}

#[test]
fn a_name_that_is_no_binding_is_refused() {
    let admission = Admission::of("Injection");
    for (name, good) in [
        ("db", true),
        (&*"a".repeat(59), true),
        (&*"a".repeat(60), false),
        ("a.b", false),
    ] {
        let mut object = injection(&spec());
        object["metadata"]["name"] = json!(name);
        let broken = admission.broken_rules(&object);
        assert_eq!(broken.is_empty(), good, "{name}: {broken:?}");
        assert!(
            broken
                .iter()
                .all(|one| one.contains("at most 59 characters without dots"))
        );
    }
}
