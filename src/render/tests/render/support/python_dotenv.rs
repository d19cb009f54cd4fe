//! What python-dotenv 1.2 makes of a quoted value: lines in universal mode, its escapes, its expansion of
//! `${name}` in every kind of quotes.

use std::collections::BTreeMap;

pub(crate) fn read(file: &[u8]) -> Result<BTreeMap<String, String>, String> {
    let text = std::str::from_utf8(file).map_err(|error| error.to_string())?;
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    let mut rest = text.as_str();
    let mut values = BTreeMap::new();
    while !rest.is_empty() {
        let (key, after) = rest.split_once('=').ok_or("no `=`")?;
        let (value, after) = value(after)?;
        values.insert(key.to_owned(), expand(&value));
        rest = after
            .strip_prefix('\n')
            .ok_or("something after the closing quote")?;
    }
    Ok(values)
}

/// `'((?:\\.|[^'\\])*)'` or the same with double quotes, then the escapes of each.
fn value(text: &str) -> Result<(String, &str), String> {
    let quote = text.chars().next().filter(|char| "'\"".contains(*char));
    let quote = quote.ok_or("the value is not in quotes")?;
    let escapes = if quote == '"' { "\\'\"abfnrtv" } else { "\\'" };
    let mut value = String::new();
    let mut chars = text.char_indices().skip(1);
    while let Some((at, char)) = chars.next() {
        match char {
            '\\' => {
                let (_, escaped) = chars.next().ok_or("no closing quote")?;
                match escaped {
                    'n' if quote == '"' => value.push('\n'),
                    'r' if quote == '"' => value.push('\r'),
                    't' if quote == '"' => value.push('\t'),
                    escaped if escapes.contains(escaped) => value.push(escaped),
                    other => value.extend(['\\', other]),
                }
            }
            char if char == quote => return Ok((value, text.split_at(at + 1).1)),
            char => value.push(char),
        }
    }
    Err("no closing quote".to_owned())
}

/// `${name}` and `${name:-default}`, with nothing in the environment.
fn expand(value: &str) -> String {
    let Some((before, after)) = value.split_once("${") else {
        return value.to_owned();
    };
    let Some((name, rest)) = after.split_once('}') else {
        return value.to_owned();
    };
    let default = name.split_once(":-").map_or("", |(_name, default)| default);
    format!("{before}{default}{}", expand(rest))
}
