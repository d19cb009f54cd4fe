//! Comma lists and single words.

use crate::ask::error::AskError;
use crate::ask::text::quote;

/// What messages call one entry of an annotation.
pub(in crate::ask) fn at(place: &str, entry: &str) -> String {
    format!("{place}, entry `{}`", quote(entry))
}

/// The entries of a comma list, without the white space around them: at least one, at most `max`, none empty.
pub(in crate::ask) fn entries<'a>(place: &str, text: &'a str, max: usize) -> Result<Vec<&'a str>, AskError> {
    if text.is_empty() {
        return Err(AskError::malformed(
            place,
            "it is empty: write a value, or remove the line",
        ));
    }
    let mut entries = Vec::new();
    for (index, entry) in text.split(',').enumerate() {
        let entry = entry.trim();
        if entry.is_empty() {
            let problem = format!("entry {} is empty: remove its comma", index + 1);
            return Err(AskError::malformed(place, problem));
        }
        if entries.len() == max {
            return Err(AskError::too_much(
                place,
                format!("there are more than {max} entries; at most {max} are allowed"),
            ));
        }
        entries.push(entry);
    }
    Ok(entries)
}

/// What a word means; otherwise what is wrong with it.
pub(in crate::ask) fn word<T: Copy>(text: &str, words: &[(&str, T)]) -> Result<T, String> {
    match words.iter().find(|(word, _)| *word == text) {
        Some((_, meaning)) => Ok(*meaning),
        None => {
            let known: Vec<String> = words.iter().map(|(word, _)| format!("`{word}`")).collect();
            Err(format!("`{}` is none of {}", quote(text), known.join(", ")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_trimmed_and_kept_in_order() {
        assert_eq!(entries("p", "a, b ,\n c=d ", 3).unwrap(), ["a", "b", "c=d"]);
    }

    #[test]
    fn an_empty_entry_is_refused_by_its_number() {
        for (text, said) in [
            ("a,,b", "entry 2 is empty"),
            ("a,", "entry 2 is empty"),
            ("", "it is empty"),
        ] {
            let error = entries("p", text, 9).unwrap_err().to_string();
            assert!(error.contains(said), "{text:?}: {error}");
        }
    }

    #[test]
    fn a_list_has_a_bound() {
        assert!(entries("p", "a,b", 2).is_ok());
        assert_eq!(entries("p", "a,b,c", 2).unwrap_err().reason(), "ask_too_much");
    }

    #[test]
    fn a_word_is_one_of_those_that_are_known() {
        assert_eq!(word("init", &[("init", 1), ("node", 2)]), Ok(1));
        let problem = word("Init", &[("init", 1), ("node", 2)]).unwrap_err();
        assert_eq!(problem, "`Init` is none of `init`, `node`");
    }
}
