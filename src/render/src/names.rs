//! Keys of a credential to names of variables: upper case, everything but letters and digits becomes `_`.

use std::collections::BTreeMap;

use esi_core::plan::EnvName;
use esi_core::{Credential, SecretBytes};

use crate::error::Fault;

/// One key of a credential as a variable.
pub(crate) struct Named<'a> {
    pub(crate) name: EnvName,
    pub(crate) key: &'a str,
    pub(crate) value: &'a SecretBytes,
}

/// All keys as variables, in the order of their names, no name twice.
pub(crate) fn all(credential: &Credential) -> Result<Vec<Named<'_>>, Fault> {
    let mut named: BTreeMap<EnvName, Named<'_>> = BTreeMap::new();
    for (key, value) in credential.iter() {
        let name = name_of(key)?;
        if let Some(first) = named.get(&name) {
            return Err(Fault::NameCollision {
                first: first.key.to_owned(),
                second: key.to_owned(),
                name: name.to_string(),
            });
        }
        named.insert(name.clone(), Named { name, key, value });
    }
    Ok(named.into_values().collect())
}

fn name_of(key: &str) -> Result<EnvName, Fault> {
    let name: String = key
        .chars()
        .map(|char| {
            if char.is_ascii_alphanumeric() {
                char.to_ascii_uppercase()
            } else {
                '_'
            }
        })
        .collect();
    // A key has 1 to 253 bytes, so a leading digit is all that can be wrong.
    name.parse().map_err(|_bad| Fault::BadName {
        key: key.to_owned(),
        name,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(keys: &[&str]) -> Result<Vec<String>, Fault> {
        let values = keys
            .iter()
            .map(|key| ((*key).to_owned(), SecretBytes::from("v")))
            .collect();
        let credential = Credential::new(values).unwrap();
        all(&credential).map(|all| all.iter().map(|named| named.name.to_string()).collect())
    }

    #[test]
    fn keys_become_upper_case_words() {
        assert_eq!(
            names(&["database-url", "apiToken", "tls.crt", "é"]).unwrap(),
            ["APITOKEN", "DATABASE_URL", "TLS_CRT", "_"]
        );
    }

    #[test]
    fn two_keys_with_one_name_are_refused_by_name() {
        assert_eq!(
            names(&["a-b", "a_b"]).unwrap_err(),
            Fault::NameCollision {
                first: "a-b".to_owned(),
                second: "a_b".to_owned(),
                name: "A_B".to_owned()
            }
        );
    }

    #[test]
    fn a_leading_digit_is_refused() {
        assert!(matches!(names(&["1st"]), Err(Fault::BadName { name, .. }) if name == "1ST"));
    }
}
