//! Our own annotations without an Injection.

use std::time::Duration;

use esi_core::plan::EnvMethod;
use serde_json::json;

use super::*;
use crate::ask::Position;

const GENERATOR: (&str, &str) = ("esi/generator", "PostgreSQL/platform/shop");
const ENV: (&str, &str) = ("esi/env", "DB_USER=username");

/// The refusal of one more annotation beside a complete inline binding.
#[track_caller]
fn refused_with(reason: &str, key: &str, value: &str) -> String {
    refused(reason, &[GENERATOR, ENV, (key, value)])
}

#[test]
fn a_pod_that_says_nothing_of_ours_asks_for_nothing() {
    assert!(asks_nothing(&[]));
    assert!(asks_nothing(&[
        ("prometheus.io/scrape", "true"),
        ("esi.example.com/inject", "db")
    ]));
    assert!(asks_nothing(&[("esi/skip", "false")]));
    assert!(asks_nothing(&[("esi/injected", "1:abc")]));
}

#[test]
fn skip_wins_over_everything_however_broken() {
    assert!(asks_nothing(&[
        ("esi/skip", "true"),
        ("esi/generator", "?"),
        ("esi/typo", ""),
        ("old/env-vars", "x")
    ]));
}

#[test]
fn skip_is_true_or_false_to_the_letter() {
    for value in ["yes", "True", "1", "", " true", "true\n"] {
        let text = refused("ask_malformed", &[("esi/skip", value)]);
        assert!(
            text.contains("esi.external-secrets.io/skip") && text.contains("neither"),
            "{text}"
        );
    }
}

#[test]
fn the_designs_example_is_a_binding() {
    let binding = binding(&[
        GENERATOR,
        ("esi/env", "DB_USER=username,DB_PASS=password"),
        ("esi/files", "db.json=json,password=.password"),
    ]);
    assert_eq!(binding.plan.binding.as_str(), "default");
    assert_eq!(binding.plan.server.as_str(), "default");
    assert_eq!(
        outputs(&binding.plan),
        [
            "DB_USER=username",
            "DB_PASS=password",
            "db.json=json",
            "password=.password"
        ]
    );
    assert_eq!(binding.mount_path.as_str(), "/var/run/secrets/esi/default");
    assert_eq!(binding.delivery, Delivery::Init);
    assert_eq!(binding.containers, []);
    assert_eq!(binding.origin, "annotation `esi.external-secrets.io/generator`");
}

#[test]
fn everything_can_be_said() {
    let asked = asked(&[
        GENERATOR,
        ENV,
        ("esi/mount-path", "/etc/db"),
        ("esi/containers", "app, worker"),
        ("esi/delivery", "node"),
        ("esi/server", "eu"),
        ("esi/ttl", "15m"),
        ("esi/overlap", "1m"),
        ("esi/env-method", "file"),
        ("esi/volume", "csi"),
        ("esi/init-position", "after:istio-proxy"),
    ]);
    let Binding {
        plan,
        containers,
        mount_path,
        delivery,
        ..
    } = &asked.bindings[0];
    assert_eq!(plan.server.as_str(), "eu");
    assert_eq!(plan.ttl, Some(Duration::from_secs(900)));
    assert_eq!(plan.overlap, Some(Duration::from_secs(60)));
    assert_eq!(plan.env_method, EnvMethod::File);
    assert_eq!(
        containers.iter().map(|name| name.as_str()).collect::<Vec<_>>(),
        ["app", "worker"]
    );
    assert_eq!((mount_path.as_str(), *delivery), ("/etc/db", Delivery::Node));
    assert_eq!(asked.options.volume, VolumeKind::Csi);
    assert_eq!(
        asked.options.position,
        Some(Position::After("istio-proxy".parse().unwrap()))
    );
    assert_eq!(asked.warnings, [""; 0]);
}

#[test]
fn what_is_not_said_is_the_clusters_default() {
    let config = Configuration {
        delivery: Delivery::Node,
        volume: VolumeKind::Csi,
        ..config()
    };
    let asked = ask_of(&annotations(&[GENERATOR, ENV]), &World::default(), &config);
    assert_eq!(asked.unwrap().unwrap().bindings[0].delivery, Delivery::Node);
    let config = Configuration {
        volume: VolumeKind::EmptyDir,
        ..super::config()
    };
    let asked = ask_of(&annotations(&[GENERATOR, ENV]), &World::default(), &config);
    assert_eq!(asked.unwrap().unwrap().options.volume, VolumeKind::EmptyDir);
}

#[test]
fn a_generator_without_a_namespace_is_in_the_pods() {
    let binding = binding(&[("esi/generator", "PostgreSql/db"), ENV]);
    let esi_core::plan::Source::Generator(generator) = &binding.plan.source else {
        panic!("no generator")
    };
    assert_eq!(generator.to_string(), "PostgreSQL/shop/db");
}

#[test]
fn a_generator_reference_is_refused_with_its_form() {
    for value in ["db", "a/b/c/d", ""] {
        let text = refused("ask_malformed", &[("esi/generator", value), ENV]);
        assert!(text.contains("`PostgreSQL/shop/shop`"), "{text}");
    }
    for (value, kind) in [("postgres/platform/db", "postgres"), ("platform/db", "platform")] {
        let text = refused("ask_malformed", &[("esi/generator", value), ENV]);
        assert!(text.contains(&format!("`{kind}` is no kind")), "{text}");
        assert!(
            text.contains("write `Kind/namespace/name`, such as `PostgreSQL/shop/shop`"),
            "{text}"
        );
    }
}

#[test]
fn a_binding_that_shows_nothing_is_refused_with_the_line_to_write() {
    let text = refused("ask_incomplete", &[GENERATOR]);
    assert!(
        text.contains("add `esi.external-secrets.io/env: DB_USER=username`"),
        "{text}"
    );
}

#[test]
fn an_inline_annotation_without_a_generator_is_refused_with_the_line_to_write() {
    for key in ["env", "files", "mount-path", "server"] {
        let text = refused("ask_incomplete", &[(&format!("esi/{key}"), "x")]);
        assert!(
            text.contains("add `esi.external-secrets.io/generator: Kind/shop/NAME`"),
            "{text}"
        );
    }
}

#[test]
fn annotations_that_only_say_how_are_refused_alone() {
    for key in [
        "containers",
        "delivery",
        "ttl",
        "overlap",
        "env-method",
        "volume",
        "init-position",
    ] {
        let text = refused("ask_incomplete", &[(&format!("esi/{key}"), "x")]);
        assert!(
            text.contains(key) && text.contains("nothing is asked for"),
            "{text}"
        );
    }
}

#[test]
fn an_unknown_annotation_of_our_prefix_is_refused_with_those_that_are_known() {
    for key in ["esi/evn", "esi/", "esi/Inject", "esi/inject "] {
        let text = refused("ask_unknown_annotation", &[GENERATOR, ENV, (key, "x")]);
        assert!(text.contains("known are inject, generator, env,"), "{text}");
    }
}

#[test]
fn a_broken_variable_is_refused_by_annotation_and_entry() {
    for (entry, said) in [
        ("DB_PASS", "write `NAME=key`"),
        ("1X=password", "`1X` is no variable name"),
        ("DB_USER=password", "`DB_USER` is there twice"),
        ("X=", "write 1 to 253 bytes"),
        ("=password", "`` is no variable name"),
        ("X=a\u{7}b", "without control characters"),
    ] {
        let text = refused(
            "ask_malformed",
            &[GENERATOR, ("esi/env", &format!("DB_USER=username,{entry}"))],
        );
        let place = "annotation `esi.external-secrets.io/env`, entry `";
        assert!(
            text.starts_with(place) && text.contains(said),
            "{entry:?}: {text}"
        );
    }
}

#[test]
fn a_broken_file_is_refused_by_annotation_and_entry() {
    for (entry, said) in [
        ("x", "write `path=format`"),
        ("x=xml", "`xml` is no format"),
        ("../x=json", "is no file path"),
        ("/etc/x=json", "without a leading `/`"),
        ("db.json/x=json", "cannot both be files"),
        ("x=.", "write 1 to 253 bytes"),
    ] {
        let text = refused(
            "ask_malformed",
            &[GENERATOR, ("esi/files", &format!("db.json=json,{entry}"))],
        );
        let place = format!("annotation `esi.external-secrets.io/files`, entry `{entry}`: ");
        assert!(
            text.starts_with(&place) && text.contains(said),
            "{entry:?}: {text}"
        );
    }
}

#[test]
fn a_broken_word_is_refused_with_those_that_are_known() {
    for (key, said) in [
        ("esi/delivery", "none of `init`, `node`"),
        ("esi/env-method", "none of `file`, `exec`"),
        ("esi/volume", "none of `csi`, `emptydir`"),
        (
            "esi/init-position",
            "write `first`, `before:NAME` or `after:NAME`",
        ),
        ("esi/ttl", "annotation `esi.external-secrets.io/ttl`: `bad`"),
        (
            "esi/overlap",
            "annotation `esi.external-secrets.io/overlap`: `bad`",
        ),
        ("esi/mount-path", "write an absolute path"),
    ] {
        let text = refused_with("ask_malformed", key, "bad");
        assert!(text.contains(said), "{key}: {text}");
    }
}

#[test]
fn times_have_bounds() {
    assert!(refused_with("ask_malformed", "esi/ttl", "2161h").contains("/ttl`"));
    assert!(refused_with("ask_malformed", "esi/overlap", "25h").contains("write 0s to 24h"));
}

#[test]
fn containers_are_names_each_once() {
    assert!(refused_with("ask_malformed", "esi/containers", "app,App").contains("entry `App`"));
    assert!(refused_with("ask_malformed", "esi/containers", "app,app").contains("there twice"));
}

#[test]
fn a_server_must_be_configured() {
    let text = refused_with("ask_unknown_server", "esi/server", "us");
    assert!(
        text.starts_with("annotation `esi.external-secrets.io/server`: there is no federation server `us`; configured: `default`, `eu`"),
        "{text}"
    );
}

#[test]
fn all_keys_need_the_exec_method_and_the_refusal_says_so() {
    let text = refused("ask_not_offered", &[GENERATOR, ("esi/env", "*")]);
    assert!(
        text.contains("add `esi.external-secrets.io/env-method: exec`"),
        "{text}"
    );
    let binding = binding(&[GENERATOR, ("esi/env", "*,U=username"), ("esi/env-method", "exec")]);
    assert_eq!(outputs(&binding.plan), ["*", "U=username"]);
    assert_eq!(binding.plan.env_method, EnvMethod::Exec);
}

#[test]
fn exec_without_variables_touches_no_command() {
    let asked = asked(&[
        GENERATOR,
        ("esi/files", "db.json=json"),
        ("esi/env-method", "exec"),
    ]);
    assert_eq!(asked.bindings[0].plan.env_method, EnvMethod::File);
    assert!(asked.warnings[0].contains("has no effect without `esi.external-secrets.io/env`"));
}

#[test]
fn what_needs_the_init_container_is_refused_where_there_is_none() {
    let node = ("esi/delivery", "node");
    let exec = refused(
        "ask_not_offered",
        &[GENERATOR, ENV, node, ("esi/env-method", "exec")],
    );
    assert!(exec.contains("delivery `init`"), "{exec}");
    let empty = refused(
        "ask_not_offered",
        &[GENERATOR, ENV, node, ("esi/volume", "emptydir")],
    );
    assert!(empty.contains("volume `csi`"), "{empty}");
}

#[test]
fn a_mount_path_leaves_the_injected_containers_theirs() {
    for path in ["/esi", "/esi/bin", "/var/run/secrets/esi", "/var/run"] {
        let files = ("esi/files", "db.json=json");
        let text = refused("ask_not_offered", &[GENERATOR, files, ("esi/mount-path", path)]);
        assert!(text.contains("write another one"), "{text}");
    }
}

#[test]
fn a_value_that_is_no_text_is_refused() {
    for value in [json!(true), json!(null), json!(["db"]), json!({"a": 1}), json!(7)] {
        let annotations = json!({ "esi.external-secrets.io/skip": value });
        let error = ask_of(&annotations, &World::default(), &config()).unwrap_err();
        assert!(error.to_string().contains("quote the value"), "{error}");
    }
}

#[test]
fn white_space_around_values_and_entries_does_not_count() {
    let binding = binding(&[
        ("esi/generator", "PostgreSQL/platform/shop\n"),
        ("esi/env", " DB_USER = username ,\n DB_PASS=password\n"),
    ]);
    assert_eq!(outputs(&binding.plan), ["DB_USER=username", "DB_PASS=password"]);
}

#[test]
fn every_length_is_bounded() {
    let huge = "A".repeat(1_000_000);
    for key in [
        "generator",
        "env",
        "files",
        "inject",
        "containers",
        "ttl",
        "server",
        "mount-path",
        "init-position",
    ] {
        let text = refused("ask_too_much", &[GENERATOR, ENV, (&format!("esi/{key}"), &huge)]);
        assert!(text.contains("at most 65536 are read"), "{text}");
    }
    let many = |one: &str, count: usize| vec![one; count].join(",");
    for (key, value) in [
        ("esi/env", many("A=b", 130)),
        ("esi/files", many("a=json", 65)),
        ("esi/inject", many("db", 33)),
    ] {
        refused("ask_too_much", &[GENERATOR, (key, &value)]);
    }
    let containers: Vec<String> = (0..257).map(|n| format!("c{n}")).collect();
    refused_with("ask_too_much", "esi/containers", &containers.join(","));
    let long = format!("DB_USER={}", "k".repeat(60_000));
    assert!(refused("ask_malformed", &[GENERATOR, ("esi/env", &long)]).len() < 500);
}
