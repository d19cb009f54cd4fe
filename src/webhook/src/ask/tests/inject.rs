//! `inject`: Injections of the pod's namespace.

use esi_core::{Classify as _, Retry};

use super::*;

const ENV: &str = r#","env":[{"name":"DB_USER","key":"username"}]"#;
const FILES: &str = r#","files":[{"path":"db.json","format":"json"}]"#;

#[test]
fn a_named_injection_is_a_binding() {
    let world = world([Injection {
        mount_path: Some("/etc/db".parse().unwrap()),
        delivery: Some(Delivery::Node),
        ..for_containers(&["app"], injection("db", FILES))
    }]);
    let asked = ask_in(&world, &[("esi/inject", "db")]).unwrap().unwrap();
    let Binding {
        plan,
        json,
        origin,
        containers,
        mount_path,
        delivery,
    } = &asked.bindings[0];
    assert_eq!((plan, json), (&injection("db", FILES).plan, &plan.to_json()));
    assert_eq!(origin, "Injection `db`");
    assert_eq!(containers[0].as_str(), "app");
    assert_eq!((mount_path.as_str(), *delivery), ("/etc/db", Delivery::Node));
}

#[test]
fn what_an_injection_leaves_open_is_the_default() {
    let asked = ask_in(&world([injection("db", FILES)]), &[("esi/inject", "db")])
        .unwrap()
        .unwrap();
    assert_eq!(asked.bindings[0].mount_path.as_str(), "/var/run/secrets/esi/db");
    assert_eq!(asked.bindings[0].delivery, Delivery::Init);
}

#[test]
fn several_injections_keep_their_order_and_stand_beside_an_inline_binding() {
    let world = world([injection("a", FILES), injection("b", FILES)]);
    let asked = ask_in(
        &world,
        &[
            ("esi/inject", "b,a"),
            ("esi/generator", "UUID/id"),
            ("esi/env", "ID=uuid"),
        ],
    );
    let bindings = asked.unwrap().unwrap().bindings;
    let names: Vec<_> = bindings.iter().map(|one| one.plan.binding.as_str()).collect();
    assert_eq!(names, ["b", "a", "default"]);
}

#[test]
fn a_missing_injection_is_not_there_yet_and_will_be_tried_again() {
    let error = error_in(&world([injection("db", ENV)]), &[("esi/inject", "db,cache")]);
    assert_eq!(error.reason(), "ask_injection_missing");
    assert_eq!(error.retry(), Retry::Backoff);
    let text = error.to_string();
    assert!(
        text.starts_with("Injection `cache` does not exist in namespace `shop` yet"),
        "{text}"
    );
    assert!(
        text.contains("Deployment, Job") && text.contains("tries again"),
        "{text}"
    );
}

#[test]
fn an_injection_of_another_namespace_is_not_there() {
    let other = Injection {
        namespace: "other".parse().unwrap(),
        ..injection("db", ENV)
    };
    let error = error_in(&world([other]), &[("esi/inject", "db")]);
    assert_eq!(error.reason(), "ask_injection_missing");
}

#[test]
fn a_broken_injection_is_refused_with_what_is_wrong_with_it() {
    let mut world = world([]);
    let problem = "spec.env[0]: write exactly one of `key` and `template`\n\u{202e}".to_owned();
    world
        .injections
        .insert((namespace(), "db".parse().unwrap()), Err(problem));
    let error = error_in(&world, &[("esi/inject", "db")]);
    assert_eq!(error.reason(), "ask_injection_broken");
    let text = error.to_string();
    assert!(text.contains("spec.env[0]: write exactly one of"), "{text}");
    assert!(!text.contains('\n') && !text.contains('\u{202e}'), "{text}");
}

#[test]
fn a_name_that_cannot_be_an_injections_is_refused_as_such() {
    let text = refused("ask_malformed", &[("esi/inject", "db,Db")]);
    assert!(
        text.starts_with("annotation `esi.external-secrets.io/inject`, entry `Db`: "),
        "{text}"
    );
    assert!(refused("ask_malformed", &[("esi/inject", "")]).contains("it is empty"));
}

#[test]
fn annotations_do_not_change_an_injection() {
    let world = world([injection("db", ENV)]);
    for (key, value) in [
        ("esi/delivery", "node"),
        ("esi/containers", "app"),
        ("esi/ttl", "1h"),
    ] {
        let error = error_in(&world, &[("esi/inject", "db"), (key, value)]);
        assert_eq!(error.reason(), "ask_incomplete");
        assert!(
            error.to_string().contains("an Injection has fields of its own"),
            "{error}"
        );
    }
    assert!(ask_in(&world, &[("esi/inject", "db"), ("esi/volume", "emptydir")]).is_ok());
}

#[test]
fn an_injections_server_must_be_configured() {
    let error = error_in(
        &world([injection("db", r#","server":"us""#)]),
        &[("esi/inject", "db")],
    );
    assert_eq!(error.reason(), "ask_unknown_server");
    assert!(
        error
            .to_string()
            .starts_with("Injection `db`: there is no federation server `us`"),
        "{error}"
    );
}
