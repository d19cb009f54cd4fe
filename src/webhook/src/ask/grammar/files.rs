//! `db.json=json,password=.password`: a path, and a format or one key.

use std::borrow::Cow;

use esi_core::plan::Format;
use esi_core::plan::limits::MAX_FILES;

use super::list::{at, entries};
use crate::ask::error::AskError;
use crate::ask::text::quote;

/// One file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::ask) struct File<'a> {
    /// What the user wrote.
    pub(in crate::ask) entry: &'a str,
    /// Where, below the volume.
    pub(in crate::ask) path: Cow<'a, str>,
    /// What it holds.
    pub(in crate::ask) shown: Shown<'a>,
}

/// What a file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::ask) enum Shown<'a> {
    /// All keys.
    Format(Format),
    /// The bytes of one key.
    Key(&'a str),
}

const FORMATS: [(&str, Format); 3] = [
    ("env", Format::Env),
    ("dotenv", Format::Dotenv),
    ("json", Format::Json),
];

/// Reads the list.
pub(in crate::ask) fn files<'a>(place: &str, text: &'a str) -> Result<Vec<File<'a>>, AskError> {
    entries(place, text, MAX_FILES)?
        .into_iter()
        .map(|entry| file(entry).map_err(|problem| AskError::malformed(at(place, entry), problem)))
        .collect()
}

fn file(entry: &str) -> Result<File<'_>, String> {
    let Some((path, what)) = entry.split_once('=') else {
        return Err(
            "write `path=format` such as `db.json=json`, or `path=.key` such as `password=.password`".into(),
        );
    };
    let (path, what) = (path.trim_end(), what.trim_start());
    let shown = match what.strip_prefix('.') {
        Some(key) => Shown::Key(key),
        None => match FORMATS.iter().find(|(word, _)| *word == what) {
            Some((_, format)) => Shown::Format(*format),
            None => {
                let what = quote(what);
                return Err(format!(
                    "`{what}` is no format: write `env`, `dotenv` or `json`, or `.{what}` for the bytes of a key"
                ));
            }
        },
    };
    let path = Cow::Borrowed(path);
    Ok(File { entry, path, shown })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_holds_a_format_or_a_key() {
        let read = files("p", "db.json=json, tls/key.pem = .tls.key").unwrap();
        assert_eq!(read[0].shown, Shown::Format(Format::Json));
        assert_eq!(read[0].path, "db.json");
        assert_eq!(read[1].shown, Shown::Key("tls.key"));
        assert_eq!(read[1].path, "tls/key.pem");
    }

    #[test]
    fn a_key_without_its_dot_is_refused_with_the_dot() {
        let error = files("p", "pw=password").unwrap_err().to_string();
        assert!(error.contains("or `.password` for the bytes"), "{error}");
    }

    #[test]
    fn every_format_can_be_named() {
        for (word, format) in FORMATS {
            assert_eq!(format.to_string(), word);
        }
    }
}
