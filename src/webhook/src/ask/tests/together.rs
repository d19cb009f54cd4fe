//! Several bindings in one pod.

use super::*;

const USER: &str = r#","env":[{"name":"DB_USER","key":"username"}]"#;
const FILE: &str = r#","files":[{"path":"db.json","format":"json"}]"#;

fn at(path: &str, injection: Injection) -> Injection {
    Injection {
        mount_path: Some(path.parse().unwrap()),
        ..injection
    }
}

fn both(a: Injection, b: Injection) -> Result<Asked, AskError> {
    Ok(ask_in(&world([a, b]), &[("esi/inject", "a,b")])?.unwrap())
}

#[test]
fn a_binding_named_twice_is_refused_naming_both_places() {
    let world = world([injection("db", USER), injection("default", FILE)]);
    let twice = error_in(&world, &[("esi/inject", "db,db")]);
    assert_eq!(twice.reason(), "ask_conflict");
    let inline = [
        ("esi/inject", "default"),
        ("esi/generator", "UUID/id"),
        ("esi/env", "ID=uuid"),
    ];
    let text = error_in(&world, &inline).to_string();
    assert!(
        text.starts_with(
            "Injection `default` and annotation `esi.external-secrets.io/generator` are both the binding `default`"
        ),
        "{text}"
    );
}

#[test]
fn a_variable_set_twice_in_one_container_is_refused_naming_both_places() {
    let error = both(injection("a", USER), injection("b", USER)).unwrap_err();
    assert_eq!(error.reason(), "ask_conflict");
    assert!(
        error
            .to_string()
            .starts_with("Injection `a` and Injection `b` both set the variable `DB_USER`"),
        "{error}"
    );
    let app = |name: &str| for_containers(&["app", name], injection(name, USER));
    assert!(both(app("a"), app("b")).is_err());
}

#[test]
fn different_containers_may_have_variables_and_paths_of_the_same_name() {
    let path =
        |name: &str, container: &str| for_containers(&[container], at("/etc/db", injection(name, FILE)));
    assert!(both(path("a", "app"), path("b", "worker")).is_ok());
    let user = |name: &str, container: &str| for_containers(&[container], injection(name, USER));
    assert!(both(user("a", "app"), user("b", "worker")).is_ok());
}

#[test]
fn mounts_in_one_container_do_not_overlap() {
    for (one, other) in [
        ("/etc/db", "/etc/db"),
        ("/etc/db", "/etc/db/x"),
        ("/etc/db/x", "/etc/db"),
    ] {
        let error = both(at(one, injection("a", FILE)), at(other, injection("b", FILE))).unwrap_err();
        assert_eq!(error.reason(), "ask_conflict");
        let text = error.to_string();
        assert!(
            text.contains(&format!(
                "are mounted at `{one}` and `{other}` in the same container"
            )),
            "{text}"
        );
    }
    assert!(
        both(
            at("/etc/db", injection("a", FILE)),
            at("/etc/dbx", injection("b", FILE))
        )
        .is_ok()
    );
}

#[test]
fn a_binding_without_files_has_no_mount_that_could_overlap() {
    assert!(
        both(
            at("/etc/db", injection("a", FILE)),
            at("/etc/db", injection("b", USER))
        )
        .is_ok()
    );
    let exec = r#","envMethod":"exec","env":[{"name":"A","key":"a"}]"#;
    assert!(
        both(
            at("/etc/db", injection("a", FILE)),
            at("/etc/db", injection("b", exec))
        )
        .is_err()
    );
}

#[test]
fn whether_a_named_container_is_one_of_all_is_left_to_who_sees_the_pod() {
    let migrate = for_containers(&["migrate"], injection("b", USER));
    assert!(both(injection("a", USER), migrate).is_ok());
}

#[test]
fn a_pod_has_at_most_32_bindings() {
    let name = |n: usize| format!("b{n}");
    let world = world((0..32).map(|n| injection(&name(n), FILE)));
    let all = (0..32).map(name).collect::<Vec<_>>().join(",");
    let inject = ("esi/inject", all.as_str());
    assert_eq!(ask_in(&world, &[inject]).unwrap().unwrap().bindings.len(), 32);
    let error = error_in(
        &world,
        &[inject, ("esi/generator", "UUID/id"), ("esi/env", "ID=uuid")],
    );
    assert_eq!(error.reason(), "ask_too_much");
    assert!(error.to_string().contains("there are 33; at most 32"), "{error}");
}

#[test]
fn all_plans_together_fit_into_one_variable_of_the_init_container() {
    let template = "x".repeat(15_000);
    let large = |name: &str| {
        let file = |n: usize| format!(r#"{{"path":"f{n}","template":"{template}"}}"#);
        let files: Vec<String> = (0..4).map(file).collect();
        injection(name, &format!(r#","files":[{}]"#, files.join(",")))
    };
    let world = world([large("a"), large("b"), large("c")]);
    assert!(ask_in(&world, &[("esi/inject", "a,b")]).is_ok());
    let error = error_in(&world, &[("esi/inject", "a,b,c")]);
    assert_eq!(error.reason(), "ask_too_much");
}

#[test]
fn two_bindings_that_turn_every_key_into_a_variable_are_told_of() {
    let all = r#","envMethod":"exec","allKeys":true"#;
    let asked = both(injection("a", all), injection("b", all)).unwrap();
    assert!(
        asked.warnings[0].contains("bindings `a` and `b` both turn every key"),
        "{:?}",
        asked.warnings
    );
}
