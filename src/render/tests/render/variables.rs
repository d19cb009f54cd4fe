//! All keys as variables, and the file out of which a command is started with variables.

use esi_core::SecretBytes;
use esi_render::{EnvironError, Fault, Trouble, Variable, environ, read_environ};
use proptest::prelude::*;
use serde_json::json;

use super::support::{all_keys, credential, trouble};

fn variable(name: &str, value: &[u8]) -> Variable {
    Variable {
        name: name.parse().unwrap(),
        value: SecretBytes::new(value.to_vec()),
    }
}

fn pairs(variables: &[Variable]) -> Vec<(&str, &[u8])> {
    variables
        .iter()
        .map(|variable| (variable.name.as_str(), variable.value.expose()))
        .collect()
}

#[test]
fn every_key_is_a_variable_of_its_name_and_one_that_the_plan_names_wins() {
    let values = credential(&[("user", b"u"), ("API_KEY", b"k\xff"), ("tls.crt", b"t")]);
    let variables = all_keys(
        &json!([{"name": "user", "key": "API_KEY"}, {"name": "Z", "template": "{{ user }}"}]),
        &values,
    );
    let expected: [(&str, &[u8]); 4] = [
        ("user", b"k\xff"),
        ("Z", b"u"),
        ("API_KEY", b"k\xff"),
        ("tls.crt", b"t"),
    ];
    assert_eq!(pairs(&variables.unwrap()), expected);
    assert!(all_keys(&json!([]), &credential(&[])).unwrap().is_empty());
}

#[test]
fn a_key_that_is_no_name_of_a_variable_is_refused_by_name() {
    for key in ["1st", "a b", "é", "A=B"] {
        let error = all_keys(
            &json!([]),
            &credential(&[("fine", b"hunter2"), (key, b"hunter2")]),
        )
        .unwrap_err();
        assert_eq!(error.fault(), &Fault::NoVariable { key: key.to_owned() });
        let text = error.to_string();
        assert!(text.starts_with(&format!("allKeys: the key `{key}` ")), "{text}");
        assert!(text.contains("in `env`, without `allKeys`"), "{text}");
        assert!(!text.contains("hunter2"));
    }
}

#[test]
fn one_of_all_keys_with_nul_is_refused_by_name() {
    let error = all_keys(&json!([]), &credential(&[("binary", b"a\0b")])).unwrap_err();
    assert_eq!(trouble(&error), Some(Trouble::Nul));
    assert!(error.to_string().contains("the key `binary`"), "{error}");
}

#[test]
fn the_file_has_the_form_of_a_processs_environment() {
    let file = environ(&[variable("A", b"1"), variable("B", b"x=\n'"), variable("C", b"")]).unwrap();
    assert_eq!(file.expose(), b"A=1\0B=x=\n'\0C=\0");
    assert_eq!(environ(&[]).unwrap().expose(), b"");
    assert!(read_environ(b"").unwrap().is_empty());
}

#[test]
fn a_value_with_nul_is_never_written() {
    let error = environ(&[variable("A", b"1"), variable("B", b"hunter2\0C=3")]).unwrap_err();
    assert_eq!(trouble(&error), Some(Trouble::Nul));
    assert!(error.to_string().starts_with("env `B`: "), "{error}");
}

#[test]
fn what_no_writer_wrote_is_refused_with_its_place_and_no_value() {
    let record = |record| EnvironError::Record { record };
    let table: [(&[u8], EnvironError); 7] = [
        (b"A=hunter2", EnvironError::CutOff),
        (b"A=1\0B=hunter2", EnvironError::CutOff),
        (b"\0", record(1)),
        (b"A=1\0hunter2\0", record(2)),
        (b"A=1\0=hunter2\0", record(2)),
        (b"1A=hunter2\0", record(1)),
        (b"\xff=hunter2\0", record(1)),
    ];
    for (bytes, expected) in table {
        let error = read_environ(bytes).unwrap_err();
        assert_eq!(error, expected);
        assert!(!error.to_string().contains("hunter2"));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_refused_or_are_what_would_be_written(bytes in "[AB1=é\\x00]{0,24}") {
        if let Ok(variables) = read_environ(bytes.as_bytes()) {
            let written = environ(&variables).unwrap();
            prop_assert_eq!(written.expose(), bytes.as_bytes());
        }
    }
}
