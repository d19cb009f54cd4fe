//! `env-vars` and `inject-on-env`.

use esi_core::plan::EnvMethod;

use super::*;

#[test]
fn a_variable_names_the_generator_or_its_externalsecret_or_only_the_key() {
    for value in ["db.username", "username", "app-secret.username"] {
        let value = format!("DB_USER={value}");
        let binding = binding(&with(&[
            ENV,
            ("old/externalsecret", "app-secret"),
            ("old/inject-on-env", &value),
        ]));
        assert_eq!(outputs(&binding.plan), ["DB_USER=username"]);
        assert_eq!(binding.plan.env_method, EnvMethod::File);
    }
}

#[test]
fn a_variable_that_could_be_anybodys_is_refused() {
    for value in ["username", "other.username", "db", "app-secret.username"] {
        let value = format!("A=cloud.token,DB_USER={value}");
        let pairs = with_two(&[
            ENV,
            ("old/externalsecret", "app-secret"),
            ("old/inject-on-env", &value),
        ]);
        let text = refused("ask_malformed", &pairs);
        assert!(
            text.contains("/inject-on-env`, entry `DB_USER=") && text.contains(".KEY`"),
            "{text}"
        );
    }
    assert!(refused("ask_malformed", &with(&[ENV, ("old/inject-on-env", "A=vault.x")])).contains("`db.KEY`"));
}

#[test]
fn a_name_that_begins_another_is_refused_where_both_could_be_meant() {
    let generators = ("old/federated-generators", "UUID/a/db,UUID/a/db.x");
    let text = refused(
        "ask_malformed",
        &[SERVER, generators, ENV, ("old/inject-on-env", "A=db.x.uuid")],
    );
    assert!(text.contains("can be read in two ways"), "{text}");
}

#[test]
fn all_keys_are_refused_without_exec_whether_said_or_meant() {
    let said = refused("ask_not_offered", &with(&[ENV, ("old/inject-on-env", "*")]));
    assert!(
        said.starts_with("annotation `secretless.externalsecrets.com/inject-on-env`, entry `*`: "),
        "{said}"
    );
    let meant = refused("ask_not_offered", &with(&[ENV]));
    assert!(
        meant.starts_with("annotation `secretless.externalsecrets.com/env-vars`: without"),
        "{meant}"
    );
    for text in [said, meant] {
        assert!(text.contains("inject-on-env: DB_USER=db.username`"), "{text}");
        assert!(
            text.contains("`esi.external-secrets.io/env-method: exec`"),
            "{text}"
        );
    }
}

#[test]
fn all_keys_come_with_exec() {
    for pairs in [&[ENV, EXEC][..], &[ENV, EXEC, ("old/inject-on-env", "*")]] {
        let binding = binding(&with(pairs));
        assert_eq!(outputs(&binding.plan), ["*"]);
        assert_eq!(binding.plan.env_method, EnvMethod::Exec);
    }
}

#[test]
fn variables_without_their_mode_have_no_effect() {
    let asked = asked(&with(&[FILES, USER]));
    assert_eq!(outputs(&asked.bindings[0].plan), ["secrets.json=json"]);
    assert!(
        asked.warnings[0].contains("inject-on-env` has no effect without"),
        "{:?}",
        asked.warnings
    );
}
