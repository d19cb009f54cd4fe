//! `DB_USER=username,DB_PASS=password`, or `*` for all keys.

use esi_core::plan::limits::MAX_VARIABLES;

use super::list::{at, entries};
use crate::ask::error::AskError;

/// What variables are asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::ask) struct Variables<'a> {
    /// Whether `*` is among the entries.
    pub(in crate::ask) all: bool,
    /// The others.
    pub(in crate::ask) named: Vec<Variable<'a>>,
}

/// One variable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::ask) struct Variable<'a> {
    /// What the user wrote.
    pub(in crate::ask) entry: &'a str,
    /// Left of the first `=`.
    pub(in crate::ask) name: &'a str,
    /// Right of it.
    pub(in crate::ask) value: &'a str,
}

/// Reads the list.
pub(in crate::ask) fn variables<'a>(place: &str, text: &'a str) -> Result<Variables<'a>, AskError> {
    let mut variables = Variables {
        all: false,
        named: Vec::new(),
    };
    // One more for the `*`.
    for entry in entries(place, text, MAX_VARIABLES + 1)? {
        if entry == "*" {
            if variables.all {
                return Err(AskError::malformed(at(place, entry), "it is there twice"));
            }
            variables.all = true;
            continue;
        }
        let Some((name, value)) = entry.split_once('=') else {
            let problem = "write `NAME=key`, such as `DB_USER=username`";
            return Err(AskError::malformed(at(place, entry), problem));
        };
        let (name, value) = (name.trim_end(), value.trim_start());
        variables.named.push(Variable { entry, name, value });
    }
    Ok(variables)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variable_is_split_at_the_first_equals_sign() {
        let read = variables("p", "DB_USER=username, X = a=b ").unwrap();
        assert!(!read.all);
        let pairs: Vec<_> = read.named.iter().map(|one| (one.name, one.value)).collect();
        assert_eq!(pairs, [("DB_USER", "username"), ("X", "a=b")]);
    }

    #[test]
    fn all_keys_may_stand_beside_named_ones_but_once() {
        let read = variables("p", "*,DB_USER=username").unwrap();
        assert!(read.all);
        assert_eq!(read.named.len(), 1);
        assert!(variables("p", "*,*").is_err());
    }

    #[test]
    fn an_entry_without_a_key_is_refused_with_an_example() {
        let error = variables("annotation `env`", "A=b,DB_USER")
            .unwrap_err()
            .to_string();
        assert_eq!(
            error,
            "annotation `env`, entry `DB_USER`: write `NAME=key`, such as `DB_USER=username`"
        );
    }
}
