//! Whether the original's annotations ask for something, alone and beside ours.

use super::*;

#[test]
fn false_means_off() {
    assert!(asks_nothing(&with(&[("old/env-vars", "false"), USER])));
    assert!(asks_nothing(&with(&[
        ("old/env-vars", "false"),
        ("old/file-secrets", "false")
    ])));
    let only_files = binding(&with(&[("old/env-vars", "false"), FILES]));
    assert_eq!(outputs(&only_files.plan), ["secrets.json=json"]);
}

#[test]
fn a_mode_is_true_or_false_to_the_letter() {
    for key in ["old/env-vars", "old/file-secrets", "old/skip"] {
        for value in ["", "yes", "True", "1"] {
            assert!(refused("ask_malformed", &with(&[(key, value)])).contains("neither `\"true\"` nor"));
        }
    }
}

#[test]
fn skip_means_nothing_is_asked_for() {
    assert!(asks_nothing(&with(&[("old/skip", "true"), ENV])));
    assert!(!asks_nothing(&with(&[("old/skip", "false"), ENV, USER])));
}

#[test]
fn annotations_of_ours_that_say_how_are_refused_where_the_originals_are_off() {
    // The policy that looks for the mark of an injected pod sees an annotation of ours, and would refuse it anyway.
    for off in [("old/skip", "true"), ("old/env-vars", "false")] {
        let text = refused("ask_incomplete", &with(&[off, EXEC]));
        assert!(
            text.contains("`esi.external-secrets.io/skip: \"true\"` to ask for nothing"),
            "{text}"
        );
    }
}

#[test]
fn annotations_that_ask_without_a_mode_are_refused_with_the_line_to_write() {
    for key in [
        SERVER,
        ONE,
        USER,
        ("old/externalsecret", "db"),
        ("old/env-var", "true"),
    ] {
        let text = refused("ask_incomplete", &[key]);
        assert!(
            text.contains("add `secretless.externalsecrets.com/env-vars: \"true\"`"),
            "{text}"
        );
    }
    assert!(asks_nothing(&[("old/image-pull-secrets", "registry")]));
}

#[test]
fn what_says_how_holds_for_the_originals_bindings_too() {
    let asked = asked(&with(&[
        ENV,
        USER,
        ("esi/containers", "app"),
        ("esi/delivery", "node"),
        ("esi/ttl", "15m"),
        ("esi/overlap", "1m"),
        ("esi/init-position", "first"),
    ]));
    let binding = &asked.bindings[0];
    assert_eq!(binding.containers[0].as_str(), "app");
    assert_eq!(binding.delivery, Delivery::Node);
    assert!(binding.plan.ttl.is_some() && binding.plan.overlap.is_some());
    assert_eq!(asked.options.position, Some(crate::ask::Position::First));
    let text = refused("ask_malformed", &with(&[ENV, USER, ("esi/ttl", "x")]));
    assert!(
        text.starts_with("annotation `esi.external-secrets.io/ttl`: "),
        "{text}"
    );
}

#[test]
fn two_prefixes_that_both_ask_are_refused_naming_both() {
    for (key, value) in [
        ("inject", "db"),
        ("generator", "UUID/id"),
        ("env", "A=b"),
        ("files", "a=json"),
        ("mount-path", "/etc/db"),
        ("server", "eu"),
    ] {
        let own = format!("esi/{key}");
        let text = refused("ask_mixed", &with(&[ENV, USER, (&own, value)]));
        assert!(
            text.contains(&format!("`esi.external-secrets.io/{key}`")),
            "{text}"
        );
        assert!(
            text.contains("`secretless.externalsecrets.com/env-vars`"),
            "{text}"
        );
    }
    refused(
        "ask_mixed",
        &[
            ("old/skip", "true"),
            ("esi/generator", "UUID/id"),
            ("esi/env", "A=uuid"),
        ],
    );
}

#[test]
fn ours_hold_where_the_originals_are_off() {
    let ours = [("esi/generator", "UUID/id"), ("esi/env", "A=uuid")];
    let off: Vec<_> = with(&[("old/env-vars", "false")])
        .into_iter()
        .chain(ours)
        .collect();
    assert_eq!(binding(&off).plan.binding.as_str(), "default");
    let left_behind: Vec<_> = with(&[]).into_iter().chain(ours).collect();
    assert!(asked(&left_behind).warnings[0].contains("has no effect"));
}
