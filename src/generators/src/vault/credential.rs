//! From Vault's answer to the values: the keys of one section; text as it is, everything else as its JSON text.

use std::collections::BTreeMap;

use esi_core::{Credential, SecretBytes};
use esi_resources::generator::VaultResultType;
use serde_json::value::RawValue;
use thiserror::Error;

use super::api::{Answer, Failure};

/// Why an answer is no credential. Names keys at most, never a value.
#[derive(Debug, Error)]
pub(super) enum NoCredential {
    /// There is no answer to read, and the manifest does not allow that.
    #[error("the answer is empty: check the path, or set `allowEmptyResponse`")]
    Empty,
    /// It is not Vault's.
    #[error(transparent)]
    Answer(#[from] Failure),
    /// It is larger than a credential may be.
    #[error(transparent)]
    Bounds(#[from] esi_core::credential::CredentialError),
}

/// The credential in `answer`.
pub(super) fn read(
    answer: &Answer,
    section: VaultResultType,
    allow_empty: bool,
) -> Result<Credential, NoCredential> {
    let text = if answer.is_empty() {
        None
    } else {
        let envelope = answer.envelope()?;
        match section {
            VaultResultType::Data => envelope.data.map(RawValue::get),
            VaultResultType::Auth => envelope.auth.map(RawValue::get),
            VaultResultType::Raw => Some(answer.text()?),
        }
    };
    match text {
        Some(text) => Ok(Credential::new(values(text)?)?),
        None if allow_empty => Ok(Credential::default()),
        None => Err(NoCredential::Empty),
    }
}

fn values(section: &str) -> Result<BTreeMap<String, SecretBytes>, Failure> {
    let fields: BTreeMap<String, &RawValue> = serde_json::from_str(section)
        .map_err(|_source| Failure::Malformed("the section of the answer is no JSON object"))?;
    fields
        .into_iter()
        .map(|(key, value)| Ok((key, bytes(value.get())?)))
        .collect()
}

fn bytes(json: &str) -> Result<SecretBytes, Failure> {
    match json {
        "null" => Ok(SecretBytes::default()),
        text if text.starts_with('"') => serde_json::from_str::<String>(text)
            .map(SecretBytes::from)
            .map_err(|_source| Failure::Malformed("a text of the answer is no JSON text")),
        other => Ok(SecretBytes::from(other)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANSWER: &str = r#"{"lease_id":"l","data":{"username":"u","password":"a\"b\u00e9","port":5432,"on":true,"none":null,"hosts":["a","b"]},"auth":{"client_token":"s.x","policies":["p"]}}"#;

    fn text(section: VaultResultType, key: &str) -> String {
        let answer = Answer::for_test(200, ANSWER);
        let credential = read(&answer, section, false).unwrap();
        credential.get(key).unwrap().expose_str().unwrap().to_owned()
    }

    #[test]
    fn text_is_unescaped_and_the_rest_is_its_json() {
        let cases = [
            ("password", "a\"bé"),
            ("port", "5432"),
            ("on", "true"),
            ("none", ""),
            ("hosts", r#"["a","b"]"#),
        ];
        for (key, value) in cases {
            assert_eq!(text(VaultResultType::Data, key), value, "{key}");
        }
    }

    #[test]
    fn each_result_type_has_the_keys_of_its_section() {
        assert_eq!(text(VaultResultType::Auth, "client_token"), "s.x");
        assert_eq!(text(VaultResultType::Auth, "policies"), r#"["p"]"#);
        assert_eq!(text(VaultResultType::Raw, "lease_id"), "l");
        assert!(text(VaultResultType::Raw, "data").starts_with(r#"{"username""#));
    }

    #[test]
    fn an_empty_answer_is_an_empty_credential_only_where_it_is_allowed() {
        let nothing = Answer::for_test(204, "");
        assert!(read(&nothing, VaultResultType::Data, true).unwrap().is_empty());
        assert!(matches!(
            read(&nothing, VaultResultType::Data, false),
            Err(NoCredential::Empty)
        ));
    }

    #[test]
    fn an_error_quotes_no_value() {
        let answer = Answer::for_test(200, r#"{"data":"hunter2"}"#);
        let error = read(&answer, VaultResultType::Data, false).unwrap_err();
        assert!(!format!("{error}{error:?}").contains("hunter2"));
    }
}
