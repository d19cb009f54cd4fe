//! Whatever the annotations are.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::ask::{ORIGINAL, OWN};

const KEYS: [&str; 26] = [
    "esi/inject",
    "esi/generator",
    "esi/env",
    "esi/files",
    "esi/mount-path",
    "esi/server",
    "esi/containers",
    "esi/delivery",
    "esi/ttl",
    "esi/overlap",
    "esi/env-method",
    "esi/volume",
    "esi/init-position",
    "esi/skip",
    "esi/injected",
    "old/externalsecret",
    "old/env-vars",
    "old/file-secrets",
    "old/skip",
    "old/inject-on-env",
    "old/inject-on-file",
    "old/federated-server-url",
    "old/federated-auth",
    "old/federated-generators",
    "old/federated-store",
    "old/workload-token",
];

/// Pieces of right values, so that what is built of them comes far.
const PIECES: [&str; 30] = [
    "a",
    "b",
    "default",
    "db",
    ",",
    "=",
    ".",
    "/",
    "*",
    "true",
    "false",
    "exec",
    "file",
    "init",
    "node",
    "json",
    "UUID/shop/id",
    "PostgreSQL/platform/db",
    "/secrets/x",
    "/etc",
    "DB_USER=username",
    "x=json",
    "first",
    "after:",
    URL,
    "kubernetes",
    " ",
    "\n",
    "\u{202e}",
    "é",
];

fn value() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => prop::sample::select(&PIECES[..]).prop_map(str::to_owned),
        3 => prop::collection::vec(prop::sample::select(&PIECES[..]), 0..8).prop_map(|pieces| pieces.concat()),
        1 => any::<String>(),
        1 => ("\\PC|[\\x00-\\x1f]", 0_usize..70_000).prop_map(|(piece, times)| piece.repeat(times)),
    ]
}

fn key() -> impl Strategy<Value = String> {
    prop_oneof![
        8 => prop::sample::select(&KEYS[..]).prop_map(str::to_owned),
        1 => any::<String>().prop_map(|text| format!("{OWN}{text}")),
        1 => any::<String>().prop_map(|text| format!("{ORIGINAL}{text}")),
    ]
}

fn some_world() -> World {
    let env = r#","env":[{"name":"DB_USER","key":"username"}]"#;
    let file = r#","files":[{"path":"x","format":"json"}]"#;
    let mut world = world([
        injection("a", env),
        injection("db", file),
        injection("default", file),
    ]);
    world.injections.insert(
        (namespace(), "b".parse().unwrap()),
        Err("\u{1b}[31m\n".repeat(1000)),
    );
    world
}

/// Free of what a terminal or a log would act on, and short.
fn is_plain(text: &str, max: usize) -> bool {
    text.chars().count() <= max
        && !text
            .chars()
            .any(|c| c.is_control() || ('\u{202a}'..='\u{202e}').contains(&c))
}

fn holds(pairs: &[(String, String)]) -> Result<(), TestCaseError> {
    let pairs: Vec<_> = pairs
        .iter()
        .map(|(key, value)| (key.as_str(), value.as_str()))
        .collect();
    match ask_in(&some_world(), &pairs) {
        Ok(None) => {}
        Ok(Some(Asked {
            bindings, warnings, ..
        })) => {
            prop_assert!(!bindings.is_empty());
            let names: BTreeSet<_> = bindings.iter().map(|one| &one.plan.binding).collect();
            prop_assert_eq!(names.len(), bindings.len());
            for Binding { plan, origin, .. } in &bindings {
                prop_assert!(config().servers.contains_key(&plan.server));
                prop_assert_eq!(&Plan::parse(&plan.to_json()).unwrap(), plan);
                prop_assert!(is_plain(origin, 500));
            }
            prop_assert!(warnings.len() <= 40 && warnings.iter().all(|text| is_plain(text, 300)));
        }
        Err(error) => prop_assert!(is_plain(&error.to_string(), 4_000), "{error}"),
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn arbitrary_annotations_are_taken_whole_or_refused_in_plain_words(
        pairs in prop::collection::vec((key(), value()), 0..6),
    ) {
        holds(&pairs)?;
    }

    #[test]
    fn a_complete_pod_with_one_arbitrary_annotation_is_taken_whole_or_refused(
        original: bool,
        key in key(),
        value in value(),
    ) {
        let complete = if original {
            [
                ("old/federated-server-url", URL),
                ("old/federated-generators", "UUID/shop/id"),
                ("old/env-vars", "true"),
                ("old/inject-on-env", "ID=uuid"),
            ]
        } else {
            [("esi/inject", "a,db"), ("esi/generator", "UUID/id"), ("esi/env", "ID=uuid"), ("esi/ttl", "1h")]
        };
        let mut pairs: Vec<_> = complete.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
        pairs.retain(|(other, _)| *other != key);
        pairs.push((key, value));
        holds(&pairs)?;
    }
}
