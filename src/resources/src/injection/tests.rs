use std::time::Duration;

use esi_core::plan::Source;
use rstest::rstest;
use serde_json::{Value, json};

use super::*;

/// What every case changes a part of.
fn spec() -> Value {
    json!({
        "source": {"generator": {"kind": "PostgreSQL", "namespace": "platform", "name": "shop"}},
        "ttl": "1h",
        "env": [{"name": "DB_USER", "key": "username"}],
        "files": [{"path": "db.json", "format": "json"}],
    })
}

fn with(place: &str, value: Value) -> Value {
    let mut spec = spec();
    *spec.pointer_mut(place).unwrap() = value;
    spec
}

fn and(field: &str, value: Value) -> Value {
    let mut spec = spec();
    spec[field] = value;
    spec
}

fn parse(spec: &Value) -> Result<Injection, InjectionError> {
    Injection::parse("shop".parse().unwrap(), "db".parse().unwrap(), spec)
}

#[test]
fn a_full_injection_is_read_in_all_its_parts() {
    let injection = parse(&json!({
        "source": {"generator": {"kind": "PostgreSQL", "namespace": "platform", "name": "shop"}},
        "server": "eu", "ttl": "1h", "overlap": "5m",
        "delivery": "init", "envMethod": "exec", "allKeys": true,
        "env": [{"name": "DB_USER", "key": "username"}, {"name": "DATABASE_URL", "template": "x"}],
        "files": [{"path": "db.json", "format": "json"}, {"path": "password", "key": "password", "mode": "0400"}],
        "mountPath": "/etc/db",
        "containers": ["app", "migrate"],
    }))
    .unwrap();
    assert_eq!(injection.plan.binding.as_str(), "db");
    assert_eq!(injection.plan.server.as_str(), "eu");
    assert_eq!(injection.plan.ttl, Some(Duration::from_secs(3600)));
    assert!(injection.plan.all_keys);
    assert_eq!((injection.plan.env.len(), injection.plan.files.len()), (2, 2));
    assert_eq!(injection.delivery, Some(Delivery::Init));
    assert_eq!(injection.mount_path.unwrap().as_str(), "/etc/db");
    assert_eq!(injection.containers.len(), 2);
}

#[test]
fn a_generator_without_a_namespace_is_of_the_injections_own() {
    let spec = with("/source/generator", json!({"kind": "Fake", "name": "shop"}));
    let Source::Generator(generator) = parse(&spec).unwrap().plan.source else {
        panic!("a generator was asked for");
    };
    assert_eq!(generator.to_string(), "Fake/shop/shop");
}

#[test]
fn a_secret_of_a_store_is_a_source_too() {
    let secret = json!({"secret": {"storeKind": "ClusterSecretStore", "store": "vault", "key": "shop/db"}});
    assert!(matches!(
        parse(&with("/source", secret)).unwrap().plan.source,
        Source::Secret(_)
    ));
}

#[rstest]
#[case::nothing(json!(null), "spec", "invalid type")]
#[case::unknown_field(and("conainers", json!(["app"])), "spec.conainers", "unknown field")]
#[case::unknown_inner(with("/files/0", json!({"path": "a", "key": "k", "owner": 1})), "spec.files[0].owner", "unknown field")]
#[case::unknown_in_source(with("/source/generator", json!({"kind": "Fake", "name": "x", "ns": "y"})), "spec.source.generator.ns", "unknown")]
#[case::binding_is_no_field(and("binding", json!("x")), "spec.binding", "unknown field")]
#[case::version_is_no_field(and("version", json!(1)), "spec.version", "unknown field")]
#[case::no_source(with("/source", json!({})), "spec.source", "exactly one of `generator` and `secret`")]
#[case::source_is_no_text(with("/source", json!("PostgreSQL/a/b")), "spec.source", "expected `generator: { kind: …")]
#[case::generator_is_no_text(with("/source/generator", json!("PostgreSQL/a/b")), "spec.source.generator", "expected `{ kind: …")]
#[case::null_is_no_value(and("ttl", json!(null)), "spec.ttl", "null")]
#[case::kind(with("/source/generator/kind", json!("db")), "spec.source.generator.kind", "upper-case")]
#[case::ttl(with("/ttl", json!("1 hour")), "spec.ttl", "1h30m")]
#[case::ttl_bounds(with("/ttl", json!("9000h")), "spec.ttl", "out of bounds")]
#[case::overlap(and("overlap", json!("25h")), "spec.overlap", "out of bounds")]
#[case::env_name(with("/env/0/name", json!("1A")), "spec.env[0].name", "not starting with a digit")]
#[case::env_twice(with("/env", json!([{"name": "A", "key": "a"}, {"name": "A", "key": "b"}])), "spec.env[1].name", "twice")]
#[case::env_key_and_template(with("/env/0", json!({"name": "A", "key": "a", "template": "b"})), "spec.env[0]", "exactly one")]
#[case::path(with("/files/0/path", json!("../x")), "spec.files[0].path", "..")]
#[case::paths_collide(with("/files", json!([{"path": "a", "key": "a"}, {"path": "a/b", "key": "b"}])), "spec.files[1].path", "cannot both")]
#[case::content(with("/files/0", json!({"path": "a"})), "spec.files[0]", "exactly one")]
#[case::format(with("/files/0/format", json!("yamll")), "spec.files[0].format", "yamll")]
#[case::mode(and("files", json!([{"path": "a", "key": "k", "mode": "0777"}])), "spec.files[0].mode", "others may not write")]
#[case::mode_is_text(and("files", json!([{"path": "a", "key": "k", "mode": 400}])), "spec.files[0].mode", "expected a string")]
#[case::all_keys(and("allKeys", json!(true)), "spec.allKeys", "envMethod")]
#[case::node_and_exec(json!({"source": spec()["source"], "allKeys": true, "envMethod": "exec", "delivery": "node"}), "spec.envMethod", "delivery: init")]
#[case::no_output(json!({"source": spec()["source"]}), "spec", "nothing would be shown")]
#[case::mount_path(and("mountPath", json!("etc/db")), "spec.mountPath", "absolute")]
#[case::container(and("containers", json!(["app", "App"])), "spec.containers[1]", "container name")]
#[case::container_twice(and("containers", json!(["app", "app"])), "spec.containers[1]", "twice")]
#[case::containers(and("containers", json!((0..257).map(|i| format!("c{i}")).collect::<Vec<_>>())), "spec.containers", "at most 256")]
fn what_is_wrong_is_refused_with_its_place(#[case] spec: Value, #[case] place: &str, #[case] problem: &str) {
    let error = parse(&spec).unwrap_err();
    assert_eq!(error.place, place, "{error}");
    assert!(error.problem.contains(problem), "{error}");
}

#[test]
fn a_name_that_is_no_binding_is_refused_and_the_message_says_why() {
    for name in ["a.b", &"a".repeat(60)] {
        let error = Injection::parse("shop".parse().unwrap(), name.parse().unwrap(), &spec()).unwrap_err();
        assert_eq!(error.place, "metadata.name");
        assert!(
            error.problem.contains("59") && error.problem.contains("volume"),
            "{error}"
        );
    }
}

#[test]
fn a_plan_over_its_limits_is_refused() {
    let long = "x".repeat(16 * 1024);
    let files: Vec<Value> = (0..5)
        .map(|i| json!({"path": format!("f{i}"), "template": long}))
        .collect();
    let error = parse(&and("files", json!(files))).unwrap_err();
    assert!(error.to_string().starts_with("spec: the plan has"), "{error}");
}

#[test]
fn hostile_text_comes_back_cut_and_escaped() {
    let hostile = "\n\u{1b}[31m".repeat(1000);
    for spec in [
        and(&hostile, json!(1)),
        and("delivery", json!(hostile)),
        with("/env/0/name", json!(hostile)),
        with("/files/0/path", json!(hostile)),
    ] {
        let text = parse(&spec).unwrap_err().to_string();
        assert!(!text.contains(char::is_control) && text.len() < 7000, "{text}");
    }
}

#[test]
fn a_whole_object_is_read_and_its_namespace_defaulted() {
    let own = "demo".parse().unwrap();
    let mut object = json!({
        "apiVersion": API_VERSION, "kind": "Injection",
        "metadata": {"name": "db", "labels": {"a": "b"}},
        "spec": spec(), "status": {"conditions": []},
    });
    assert_eq!(Injection::from_object(&object, &own).unwrap().namespace, own);
    object["metadata"]["namespace"] = json!("shop");
    assert_eq!(
        Injection::from_object(&object, &own).unwrap().namespace.as_str(),
        "shop"
    );
}

#[rstest]
#[case("kind", json!("Injektion"), "apiVersion, kind")]
#[case("apiVersion", json!("esi.external-secrets.io/v1"), "apiVersion, kind")]
#[case("metadata", json!({}), "metadata")]
#[case("metadata", json!({"name": "A"}), "metadata.name")]
#[case("sepc", json!({}), "sepc")]
#[case("spec", json!({}), "spec")]
fn an_object_that_is_no_injection_is_refused_with_its_place(
    #[case] field: &str,
    #[case] value: Value,
    #[case] place: &str,
) {
    let mut object = json!({
        "apiVersion": API_VERSION, "kind": "Injection", "metadata": {"name": "db"}, "spec": spec(),
    });
    object[field] = value;
    let error = Injection::from_object(&object, &"demo".parse().unwrap()).unwrap_err();
    assert_eq!(error.place, place, "{error}");
}

#[test]
fn a_status_is_written_as_kubernetes_writes_conditions() {
    let status = InjectionStatus {
        observed_generation: Some(3),
        conditions: vec![Condition {
            kind: "Ready".to_owned(),
            status: "True".to_owned(),
            reason: "Valid".to_owned(),
            message: "pods can be given it".to_owned(),
            last_transition_time: "2026-01-01T00:00:00Z".to_owned(),
            observed_generation: Some(3),
        }],
    };
    let written = serde_json::to_value(&status).unwrap();
    assert_eq!(written["conditions"][0]["type"], "Ready");
    assert_eq!(
        written["conditions"][0]["lastTransitionTime"],
        "2026-01-01T00:00:00Z"
    );
    assert_eq!(
        serde_json::from_value::<InjectionStatus>(written).unwrap(),
        status
    );
}
