//! Every format reads back byte for byte through the parser of whoever consumes it, or is refused.

use std::collections::BTreeMap;

use super::support::{credential, file, kubelet, python_dotenv, trouble, variable};
use esi_core::{Classify as _, Retry};
use esi_render::{Trouble, env_file, environ, read_environ};
use proptest::prelude::*;
use serde_json::json;

type Read = fn(&[u8]) -> Result<Vec<u8>, Option<Trouble>>;

/// Each output, rendered and then read as its consumer reads it. All of them carry one value.
const OUTPUTS: [(&str, Read); 7] = [
    ("format env", through_env),
    ("env file", through_env_file),
    ("format dotenv", through_dotenv),
    ("format json", through_json),
    ("key", through_key),
    ("template", through_template),
    ("variable", through_variable),
];

fn through_env(value: &[u8]) -> Result<Vec<u8>, Option<Trouble>> {
    let file = file(json!({"format": "env"}), &credential(&[("value", value)])).map_err(|e| trouble(&e))?;
    Ok(kubelet::read(&file, "VALUE").unwrap())
}

fn through_env_file(value: &[u8]) -> Result<Vec<u8>, Option<Trouble>> {
    let variable =
        variable(json!({"key": "value"}), &credential(&[("value", value)])).map_err(|e| trouble(&e))?;
    let file = env_file(&[variable]).map_err(|e| trouble(&e))?;
    Ok(kubelet::read(file.expose(), "VALUE").unwrap())
}

/// Both readers must find the same.
fn through_dotenv(value: &[u8]) -> Result<Vec<u8>, Option<Trouble>> {
    let values = credential(&[("before", b"b"), ("value", value), ("zulu", b"z")]);
    let file = file(json!({"format": "dotenv"}), &values).map_err(|e| trouble(&e))?;
    let rust: BTreeMap<String, String> = dotenvy::from_read_iter(file.as_slice())
        .map(Result::unwrap)
        .collect();
    let python = python_dotenv::read(&file).unwrap();
    assert_eq!(rust, python);
    assert_eq!(
        (rust["BEFORE"].as_str(), rust["ZULU"].as_str(), rust.len()),
        ("b", "z", 3)
    );
    Ok(rust["VALUE"].clone().into_bytes())
}

fn through_json(value: &[u8]) -> Result<Vec<u8>, Option<Trouble>> {
    let file = file(json!({"format": "json"}), &credential(&[("value", value)])).map_err(|e| trouble(&e))?;
    let object: BTreeMap<String, String> = serde_json::from_slice(&file).unwrap();
    Ok(object["value"].clone().into_bytes())
}

fn through_key(value: &[u8]) -> Result<Vec<u8>, Option<Trouble>> {
    file(json!({"key": "value"}), &credential(&[("value", value)])).map_err(|e| trouble(&e))
}

fn through_template(value: &[u8]) -> Result<Vec<u8>, Option<Trouble>> {
    let values = credential(&[("value", value)]);
    file(json!({"template": "{{ value }}"}), &values).map_err(|e| trouble(&e))
}

fn through_variable(value: &[u8]) -> Result<Vec<u8>, Option<Trouble>> {
    let variable =
        variable(json!({"key": "value"}), &credential(&[("value", value)])).map_err(|e| trouble(&e))?;
    let file = environ(&[variable]).map_err(|e| trouble(&e))?;
    let mut read = read_environ(file.expose()).unwrap();
    Ok(read.remove(0).value.into_exposed())
}

#[test]
fn each_output_holds_a_value_or_says_what_it_has() {
    use Trouble::{
        Backslash, CarriageReturn, CarriageReturnLineFeed, Empty, Expansion, LongLine, LongVariable,
        MixedQuotes, NotUtf8, Nul, SingleQuote,
    };
    let ok = None;
    let long = vec![b'x'; 64 * 1024];
    let too_long = vec![b'x'; 128 * 1024];
    //    value                       env           env file      dotenv        json    key template variable
    let table: [(&[u8], [Option<Trouble>; 7]); 16] = [
        (b"plain", [ok, ok, ok, ok, ok, ok, ok]),
        (b" # \t= ", [ok, ok, ok, ok, ok, ok, ok]),
        ("é\u{2028}😀".as_bytes(), [ok, ok, ok, ok, ok, ok, ok]),
        (
            b"it's",
            [Some(SingleQuote), Some(SingleQuote), ok, ok, ok, ok, ok],
        ),
        (
            b"'\"",
            [
                Some(SingleQuote),
                Some(SingleQuote),
                Some(MixedQuotes),
                ok,
                ok,
                ok,
                ok,
            ],
        ),
        (b"say \"hi\" `now`", [ok, ok, ok, ok, ok, ok, ok]),
        (b"\n#not a comment\n", [ok, ok, ok, ok, ok, ok, ok]),
        (
            b"a\r\nb",
            [
                Some(CarriageReturnLineFeed),
                Some(CarriageReturnLineFeed),
                Some(CarriageReturn),
                ok,
                ok,
                ok,
                ok,
            ],
        ),
        (b"a\rb\r", [ok, ok, Some(CarriageReturn), ok, ok, ok, ok]),
        (b"a\0b", [Some(Nul), Some(Nul), Some(Nul), ok, ok, ok, Some(Nul)]),
        (b"", [Some(Empty), Some(Empty), ok, ok, ok, ok, ok]),
        (
            b"a\xff",
            [
                Some(NotUtf8),
                Some(NotUtf8),
                Some(NotUtf8),
                Some(NotUtf8),
                ok,
                Some(NotUtf8),
                ok,
            ],
        ),
        (b"C:\\dir", [ok, ok, Some(Backslash), ok, ok, ok, ok]),
        (b"$A ${A}", [ok, ok, Some(Expansion), ok, ok, ok, ok]),
        (&long, [Some(LongLine), Some(LongLine), ok, ok, ok, ok, ok]),
        (
            &too_long,
            [
                Some(LongLine),
                Some(LongVariable),
                ok,
                ok,
                ok,
                ok,
                Some(LongVariable),
            ],
        ),
    ];
    for (value, expected) in table {
        let shown = String::from_utf8_lossy(&value[..value.len().min(16)]).into_owned();
        for ((name, read), expected) in OUTPUTS.into_iter().zip(expected) {
            // The env file cannot hold a variable that could not even be rendered.
            let expected = if name == "env file" && value.contains(&0) {
                Some(Nul)
            } else {
                expected
            };
            match (read(value), expected) {
                (Ok(got), None) => assert!(got == value, "{name} changed {shown:?}"),
                (Err(got), Some(_)) => assert_eq!(got, expected, "{name} of {shown:?}"),
                (got, _) => panic!(
                    "{name} of {shown:?}: {:?}, expected {expected:?}",
                    got.map(|_| "it was taken")
                ),
            }
        }
    }
}

#[test]
fn the_longest_line_that_kubelet_reads_is_the_longest_that_is_written() {
    // `VALUE=''` takes eight bytes of the line.
    let longest = 64 * 1024 - 1 - 8;
    assert!(through_env(&vec![b'x'; longest]).is_ok());
    assert_eq!(
        through_env(&vec![b'x'; longest + 1]),
        Err(Some(Trouble::LongLine))
    );
    let mut lines = vec![b'x'; longest];
    lines.push(b'\n');
    lines.extend_from_within(..longest);
    assert!(
        through_env(&lines).is_ok(),
        "the bound is of a line, not of a value"
    );
}

#[test]
fn a_refusal_names_the_output_and_the_key_and_says_what_to_use() {
    let values = credential(&[("user", b"u"), ("password", b"it's")]);
    let error = file(json!({"format": "env"}), &values).unwrap_err();
    assert_eq!(
        error.to_string(),
        "files[0] `out`: the value of the key `password` has a single quote, which the format `env` cannot \
         hold: use `format: json`, or a file of its own with `key`"
    );
    assert_eq!(error.retry(), Retry::Backoff, "the next password may have none");

    let variable = variable(json!({"key": "password"}), &values).unwrap();
    assert_eq!(
        env_file(&[variable]).unwrap_err().to_string(),
        "env `VALUE`: the value has a single quote, which a variable read by Kubernetes from a file \
         (`fileKeyRef`) cannot hold: deliver it as a file, or use `env-method: exec`"
    );
}

#[test]
fn an_env_file_without_variables_is_a_file_that_kubelet_can_read() {
    let file = env_file(&[]).unwrap();
    assert!(!file.is_empty());
    assert_eq!(
        kubelet::read(file.expose(), "K"),
        Err("the key is not in the file".to_owned()),
        "it must parse, and have no key"
    );
}

#[test]
fn a_credential_without_keys_is_an_empty_document_in_every_format() {
    let none = credential(&[]);
    assert_eq!(file(json!({"format": "json"}), &none).unwrap(), b"{}\n");
    assert_eq!(file(json!({"format": "dotenv"}), &none).unwrap(), b"");
    assert_eq!(
        file(json!({"format": "env"}), &none).unwrap(),
        b"# no variables\n"
    );
}

#[test]
fn json_keeps_keys_that_no_variable_could_be_called() {
    let values = credential(&[("1 \"é\"", b"v"), ("a-b", b"1"), ("a_b", b"2")]);
    let file = file(json!({"format": "json"}), &values).unwrap();
    let object: BTreeMap<String, String> = serde_json::from_slice(&file).unwrap();
    assert_eq!(object.keys().collect::<Vec<_>>(), ["1 \"é\"", "a-b", "a_b"]);
}

fn hostile_text() -> impl Strategy<Value = Vec<u8>> {
    "['\"`\\\\$\\{\\}\n\r\t\0 #=:aéz-]{0,24}".prop_map(String::into_bytes)
}

fn any_value() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        hostile_text(),
        proptest::collection::vec(any::<u8>(), 0..64),
        any::<String>().prop_map(String::into_bytes),
        "[!-~]{1,40}".prop_map(String::into_bytes),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(2000) })]

    #[test]
    fn whatever_is_not_refused_reads_back_byte_for_byte(value in any_value()) {
        for (name, read) in OUTPUTS {
            match read(&value) {
                Ok(got) => prop_assert_eq!(&got, &value, "{} changed it", name),
                Err(trouble) => prop_assert!(trouble.is_some(), "{} was refused without a reason", name),
            }
        }
    }

    #[test]
    fn one_file_holds_many_values_and_gives_each_back(values in proptest::collection::vec(hostile_text(), 1..8)) {
        let names: Vec<String> = (0..values.len()).map(|index| format!("key-{index}")).collect();
        let pairs: Vec<(&str, &[u8])> =
            names.iter().zip(&values).map(|(name, value)| (name.as_str(), value.as_slice())).collect();
        if let Ok(file) = file(json!({"format": "env"}), &credential(&pairs)) {
            for (index, value) in values.iter().enumerate() {
                prop_assert_eq!(&kubelet::read(&file, &format!("KEY_{index}")).unwrap(), value);
            }
        }
    }
}
