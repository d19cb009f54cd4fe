use proptest::prelude::*;
use serde_json::{Value as Tree, json};

use super::Json;

fn read(text: &str) -> Result<Json<'_>, serde_json::Error> {
    serde_json::from_str(text)
}

#[test]
fn a_document_says_what_its_text_says() {
    let text = r#" {"a": [1, -2, 0.5, 1e400000000000000000000000000000000, null], "b": {}} "#;
    assert!(read(text).is_err(), "a number out of range is no number");
    let text =
        r#" {"a": [1, -2, 0.5, 18446744073709551615, null, true], "\u0062\n": {"": [[]]}, "c": "\"\u00e9"} "#;
    let tree: Tree = serde_json::from_str(text).unwrap();
    assert_eq!(read(text).unwrap().to_tree(), tree);
    assert_eq!(Json::of(&tree).to_tree(), tree);
}

#[test]
fn what_is_no_json_is_none() {
    for bad in [
        "", "{", "[1", "{\"a\"}", "{\"a\":}", "{1:2}", "[1,]", "nul", "1 2", "\"\\x\"",
    ] {
        assert!(read(bad).is_err(), "{bad}");
    }
    assert!(read(&"[".repeat(1_000_000)).is_err());
}

#[test]
fn a_field_that_is_there_twice_is_the_last_one() {
    let document = read(r#"{"a": 1, "b": {"a": 2}, "a": {"c": 3}}"#).unwrap();
    let found = document.root().get("a").and_then(|a| a.get("c"));
    assert_eq!(found.and_then(|c| c.as_number()?.as_i64()), Some(3));
}

#[test]
fn a_value_is_what_it_is_and_nothing_else() {
    let document = read(r#"{"text": "a", "list": [true], "none": null}"#).unwrap();
    let root = document.root();
    let text = root.get("text").unwrap();
    assert_eq!(text.as_str(), Some("a"));
    assert!(text.as_list().is_none() && text.as_object().is_none() && text.as_number().is_none());
    assert!(text.get("a").is_none() && root.get("nothing").is_none());
    let list = root.get("list").and_then(|list| list.as_list()).unwrap();
    assert_eq!(
        list.elements().map(|one| one.as_bool()).collect::<Vec<_>>(),
        [Some(true)]
    );
    assert!(root.get("none").unwrap().is_null() && !root.is_null());
}

#[test]
fn who_set_which_field_of_a_pod_is_left_out_and_nothing_else_of_that_name() {
    let text =
        r#"{"metadata": {"managedFields": [{"f:a": {}}], "name": "a", "labels": {"managedFields": "x"}}}"#;
    assert_eq!(
        read(text).unwrap().to_tree(),
        json!({"metadata": {"name": "a", "labels": {"managedFields": "x"}}})
    );
}

/// Any JSON.
fn tree() -> impl Strategy<Value = Tree> {
    let leaf = prop_oneof![
        Just(Tree::Null),
        any::<bool>().prop_map(Tree::from),
        any::<i64>().prop_map(Tree::from),
        any::<u64>().prop_map(Tree::from),
        any::<f64>().prop_map(Tree::from),
        any::<String>().prop_map(Tree::from),
    ];
    leaf.prop_recursive(5, 64, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Tree::from),
            prop::collection::btree_map(any::<String>(), inner, 0..6)
                .prop_map(|fields| fields.into_iter().collect()),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_tree_is_the_same_as_a_document(tree in tree()) {
        let document = Json::of(&tree);
        prop_assert_eq!(document.to_tree(), tree.clone());
        prop_assert!(document.root().is(&tree));
        // Written and read again, as far as a text can say it (a number may lose its last digit).
        let text = tree.to_string();
        prop_assert_eq!(read(&text).unwrap().to_tree(), serde_json::from_str::<Tree>(&text).unwrap());
    }
}
