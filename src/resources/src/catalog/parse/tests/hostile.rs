//! Secrets that no error may tell, texts that unfold without end, and any text at all.

use proptest::prelude::*;

use super::*;

const SECRET: &str = "apiVersion: v1
kind: Secret
metadata: {name: s, namespace: demo}
type: Opaque
data:
  a: aHVudGVyMg==
stringData:
  b: hunter2
";

#[test]
fn a_secret_is_decoded_and_string_data_wins() {
    let file = yaml(
        &SECRET
            .replace("  b:", "  number: 0123\n  a: plain\n  b:")
            .replace(
                "a: aHVudGVyMg==",
                "a: |\n    aHVudGVy\n    Mg==\n  c: aHVudGVyMg==",
            ),
    );
    assert_eq!(shown(&file), "");
    let Some(Object::Secret(data)) = &file.documents[0].object else {
        panic!()
    };
    assert_eq!(data["a"].expose(), b"plain");
    assert_eq!(data["b"].expose(), b"hunter2");
    assert_eq!(data["c"].expose(), b"hunter2");
    assert_eq!(data["number"].expose(), b"0123");
    assert!(!format!("{file:?}").contains("hunter2"));
}

#[test]
fn no_error_tells_what_a_secret_holds() {
    let broken = [
        SECRET.replace("aHVudGVyMg==", "hunter2!"),
        SECRET.replace("b: hunter2", "b: [hunter2]"),
        SECRET.replace("b: hunter2", "hunter2: {hunter2: hunter2}"),
        SECRET.replace("stringData:", "hunter2:"),
        SECRET.replace("stringData:\n", "stringData: hunter2\n#"),
        SECRET.replace("b: hunter2", "b: *hunter2"),
        SECRET.replace("b: hunter2", "b: !hunter2 x"),
        SECRET.replace("b: hunter2", "b: hunter2\n  b: hunter2"),
        SECRET.replace("b: hunter2", "b: 'hunter2"),
        SECRET.replace("b: hunter2", "b: hunter2\n hunter2"),
        SECRET.replace("b: hunter2", "b: {hunter2"),
        SECRET.replace("b: hunter2", "b: \"\\hunter2\""),
    ];
    for text in broken.iter().map(String::as_str).chain([
        r#"{"apiVersion": "v1", "kind": "List", "items": "hunter2"}"#,
        "apiVersion: v1\nkind: List\nitems: hunter2",
    ]) {
        let file = yaml(text);
        assert_eq!(file.problems.len(), 1, "{text}");
        let shown = format!("{file:?}{}", shown(&file));
        assert!(!shown.contains("unter2"), "{text}\n{shown}");
    }
    let problems: String = broken.iter().map(|text| shown(&yaml(text))).collect();
    insta::assert_snapshot!(problems, @r#"
    f.yaml:6: Secret demo/s: this Secret cannot be read here (what it says is not shown): write `data` as base64 text, or `stringData` as text, and no other field
    f.yaml:8: Secret demo/s: this Secret cannot be read here (what it says is not shown): write `data` as base64 text, or `stringData` as text, and no other field
    f.yaml:8: Secret demo/s: this Secret cannot be read here (what it says is not shown): write `data` as base64 text, or `stringData` as text, and no other field
    f.yaml:7: Secret demo/s: this Secret cannot be read here (what it says is not shown): write `data` as base64 text, or `stringData` as text, and no other field
    f.yaml:7: Secret demo/s: this Secret cannot be read here (what it says is not shown): write `data` as base64 text, or `stringData` as text, and no other field
    f.yaml:8: an alias has no anchor in this document: put a text that starts with `*` in quotes
    torn
    f.yaml:8: there is no such tag: put a text that starts with `!` in quotes
    torn
    f.yaml:9: a key is there twice
    torn
    f.yaml:8: this is not YAML: unclosed quote
    torn
    f.yaml:9: this is not YAML: while parsing a block mapping, did not find expected key
    torn
    f.yaml:8: this is not YAML: unclosed bracket '{'
    torn
    f.yaml:8: this is not YAML: while parsing a quoted scalar, found unknown escape character
    torn
    "#);
}

#[test]
fn a_text_that_unfolds_to_more_than_itself_is_refused() {
    let many = format!("{FAKE}x: &a [1]\ny: [{}]\n", "*a,".repeat(30_000));
    let mut laughs = format!("{FAKE}a0: &a0 [1,1,1,1,1,1,1,1,1,1]\n");
    for level in 1..10 {
        let alias = format!("*a{},", level - 1).repeat(10);
        laughs += &format!("a{level}: &a{level} [{alias}]\n");
    }
    let deep = format!("{FAKE}x: {}{}\n", "[".repeat(10_000), "]".repeat(10_000));
    for bomb in [many, laughs, deep] {
        let file = yaml(&bomb);
        assert!(file.torn);
        assert_eq!(file.problems.len(), 1);
    }
    insta::assert_snapshot!(shown(&yaml(&format!("{FAKE}x: &a [1]\ny: [{}]\n", "*a,".repeat(30_000)))), @r#"
    f.yaml:7: this unfolds to too much (aliases, nesting or size): write it out, in several files
    torn
    "#);
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused_without_a_panic(text in ".*") {
        drop(yaml(&text));
        drop(json(&text));
    }

    #[test]
    fn any_text_of_our_own_words_is_read_or_refused_without_a_panic(
        words in proptest::collection::vec(
            prop_oneof![
                Just("apiVersion: v1\n"), Just("kind: List\n"), Just("kind: Secret\n"), Just("items:\n"),
                Just("- "), Just("---\n"), Just("  "), Just("metadata: {name: a, namespace: b}\n"), Just("{"),
                Just("}"), Just("\n"), Just("'"), Just("é"), Just("data:\n"), Just("&a "), Just("*a "), Just("#"),
            ],
            0..24,
        ),
    ) {
        drop(yaml(&words.concat()));
        drop(json(&words.concat()));
    }
}
