//! Which generators are asked for.

use super::*;

#[test]
fn each_generator_is_a_binding_of_its_name() {
    let asked = asked(&with_two(&[
        ENV,
        ("old/inject-on-env", "A=db.username,B=cloud.token"),
    ]));
    let read: Vec<_> = asked
        .bindings
        .iter()
        .map(|one| {
            (
                one.plan.binding.as_str().to_owned(),
                generator(one),
                outputs(&one.plan),
            )
        })
        .collect();
    assert_eq!(
        read,
        [
            (
                "db".into(),
                "PostgreSQL/platform/db".into(),
                vec!["A=username".into()]
            ),
            (
                "cloud".into(),
                "VaultDynamicSecret/platform/cloud".into(),
                vec!["B=token".into()]
            ),
        ] as [(String, String, Vec<String>); 2]
    );
}

#[test]
fn a_generator_may_leave_out_what_the_namespaces_injections_tell() {
    let world = world([injection("db", ""), injection("other", "")]);
    for (written, meant) in [
        ("db", "PostgreSQL/platform/db"),
        ("platform/db", "PostgreSQL/platform/db"),
        ("UUID/db", "UUID/shop/db"),
        ("PostgreSql/x/db", "PostgreSQL/x/db"),
    ] {
        let asked = ask_in(
            &world,
            &[SERVER, ("old/federated-generators", written), ENV, USER],
        );
        assert_eq!(generator(&asked.unwrap().unwrap().bindings[0]), meant);
    }
}

#[test]
fn a_generator_whose_kind_nobody_tells_is_refused_with_the_line_to_write() {
    // Namespaces on both sides of the pod's own, `shop`.
    let elsewhere = ["other", "zoo"].map(|namespace| Injection {
        namespace: namespace.parse().unwrap(),
        ..injection("db", "")
    });
    for written in ["db", "platform/db", "x/db"] {
        let generators = ("old/federated-generators", written);
        let error = error_in(&world(elsewhere.clone()), &[SERVER, generators, ENV, USER]);
        let text = error.to_string();
        assert!(text.contains("the kind of generator `db` is not known"), "{text}");
        assert!(
            text.contains("write `Kind/namespace/name`, such as `VaultDynamicSecret/shop/db`"),
            "{text}"
        );
    }
}

#[test]
fn a_generator_that_may_be_one_of_two_is_refused() {
    let other = Plan::parse(
        r#"{"version":1,"binding":"b","source":{"generator":{"kind":"UUID","namespace":"x","name":"db"}}}"#,
    );
    let world = world([
        injection("db", ""),
        Injection {
            plan: other.unwrap(),
            ..injection("b", "")
        },
    ]);
    let text = error_in(&world, &[SERVER, ("old/federated-generators", "db"), ENV, USER]).to_string();
    assert!(
        text.contains("may be `PostgreSQL/platform/db` or `UUID/x/db`"),
        "{text}"
    );
}

#[test]
fn a_broken_generator_is_refused_by_its_entry() {
    for (entry, said) in [
        ("a/b/c/d", "write Kind/namespace/name"),
        ("Kind/Ns/x", "`Ns` is no namespace"),
        ("kind/ns/x", "`kind` is no kind"),
        ("UUID/a/db", "has the same name"),
    ] {
        let both = format!("PostgreSQL/platform/db,{entry}");
        let text = refused(
            "ask_malformed",
            &[SERVER, ("old/federated-generators", &both), ENV, USER],
        );
        assert!(
            text.contains(&format!("entry `{entry}`")) && text.contains(said),
            "{text}"
        );
    }
    let long = format!("UUID/a/{}.{}", "a".repeat(40), "b".repeat(40));
    let text = refused(
        "ask_malformed",
        &[SERVER, ("old/federated-generators", &long), ENV, USER],
    );
    assert!(
        text.contains("state it as an Injection with a shorter name"),
        "{text}"
    );
}

#[test]
fn a_name_with_dots_becomes_a_binding_with_dashes() {
    let dotted = ("old/federated-generators", "UUID/a/my.db");
    let binding = binding(&[
        SERVER,
        dotted,
        ENV,
        ("old/inject-on-env", "ID=my.db.uuid,TLS=my.db.tls.crt"),
    ]);
    assert_eq!(binding.plan.binding.as_str(), "my-db");
    assert_eq!(outputs(&binding.plan), ["ID=uuid", "TLS=tls.crt"]);
}

#[test]
fn a_server_without_generators_is_refused_with_the_line_to_write() {
    let text = refused("ask_incomplete", &[SERVER, ENV, USER]);
    assert!(
        text.contains("add `secretless.externalsecrets.com/federated-generators: Kind/shop/NAME`"),
        "{text}"
    );
}
