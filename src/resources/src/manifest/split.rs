//! A file's text into pieces, each of which is one object.
//!
//! Documents are cut by their marker lines, before any parsing: YAML forbids `---` at the start of a line inside
//! any scalar (YAML 1.2.2 §9.1.2), so the cut is exact, and one broken document leaves the others readable.

use std::borrow::Cow;

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;
use serde_saphyr::Spanned;

use super::yaml::{self, Fault};

/// The text of one object, and where it is.
pub(crate) struct Piece<'a> {
    pub(crate) text: Cow<'a, str>,
    /// Lines of the file before `text`.
    pub(crate) before: u64,
    /// The line of the file where its content begins, from 1.
    pub(crate) line: u64,
}

impl Piece<'_> {
    /// The line of the file: where the fault says, else where the content begins.
    pub(crate) fn at(&self, fault: &Fault) -> u64 {
        fault.line.map_or(self.line, |line| self.before + line)
    }
}

/// The documents of a file that have any content.
pub(crate) fn documents(text: &str) -> Vec<Piece<'_>> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut pieces = Vec::new();
    let mut rest = text;
    let mut before = 0;
    while !rest.is_empty() {
        let (document, after, lines) = first_document(rest);
        if let Some(skipped) = document.lines().position(has_content) {
            let line = before + count(skipped) + 1;
            pieces.push(Piece {
                text: Cow::Borrowed(document),
                before,
                line,
            });
        }
        before += lines;
        rest = after;
    }
    pieces
}

/// The first document, what follows it, and how many lines it has.
fn first_document(text: &str) -> (&str, &str, u64) {
    let mut end = 0;
    let mut lines = 0;
    for line in text.split_inclusive('\n') {
        if lines > 0 && is_marker(line) {
            break;
        }
        end += line.len();
        lines += 1;
    }
    let (document, rest) = text.split_at_checked(end).unwrap_or((text, ""));
    (document, rest, lines)
}

fn is_marker(line: &str) -> bool {
    line.strip_prefix("---")
        .is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '\t', '\r', '\n']))
}

/// Whether a line is more than a marker, a comment or a directive.
fn has_content(line: &str) -> bool {
    let line = if is_marker(line) {
        line.trim_start_matches('-')
    } else {
        line
    };
    let line = line.trim();
    !line.is_empty() && line != "..." && !line.starts_with(['#', '%'])
}

/// The items of a `List`, each as a piece of its own.
pub(crate) fn items<'a>(list: &'a Piece<'a>) -> Result<Vec<Piece<'a>>, Fault> {
    if list.text.trim_start().starts_with('{') {
        json_items(list)
    } else {
        block_items(list)
    }
}

fn json_items<'a>(list: &'a Piece<'a>) -> Result<Vec<Piece<'a>>, Fault> {
    #[derive(Deserialize)]
    struct List<'a> {
        #[serde(borrow, default)]
        items: Vec<&'a RawValue>,
    }
    let text: &str = &list.text;
    let parsed: List<'_> = serde_json::from_str(text).map_err(|error| Fault::json(&error))?;
    let mut pieces = Vec::with_capacity(parsed.items.len());
    let mut seen = 0;
    let mut before = list.before;
    for item in parsed.items {
        // Raw values are slices of the text, in its order.
        let at = (item.get().as_ptr() as usize).saturating_sub(text.as_ptr() as usize);
        let skipped = text.get(seen..at).unwrap_or_default();
        before += count(skipped.matches('\n').count());
        seen = at;
        pieces.push(Piece {
            text: Cow::Borrowed(item.get()),
            before,
            line: before + 1,
        });
    }
    Ok(pieces)
}

/// Items in block style: an item is the lines that are indented at least as far as its first key. Where that is
/// not the whole item (brackets closed to the left of it), what is cut is no YAML and refused.
fn block_items<'a>(list: &'a Piece<'a>) -> Result<Vec<Piece<'a>>, Fault> {
    #[derive(Deserialize)]
    struct List {
        #[serde(default)]
        items: Vec<Spanned<IgnoredAny>>,
    }
    let parsed: List = yaml::read(&list.text)?;
    let mut pieces = Vec::with_capacity(parsed.items.len());
    for item in parsed.items {
        let place = item.referenced;
        let at = place.span().byte_offset().and_then(|at| usize::try_from(at).ok());
        let rest = at.and_then(|at| list.text.get(at..)).unwrap_or_default();
        if rest.is_empty() || rest.starts_with(['{', '[', '*', '&', '!']) {
            return Err(Fault::new(
                Some(place.line()),
                "write each item of a List as a block of its own, without brackets, anchors or tags",
            ));
        }
        let column = usize::try_from(place.column()).unwrap_or(1).saturating_sub(1);
        let before = list.before + place.line().saturating_sub(1);
        pieces.push(Piece {
            text: Cow::Owned(" ".repeat(column) + block(rest, column)),
            before,
            line: before + 1,
        });
    }
    Ok(pieces)
}

fn block(text: &str, indent: usize) -> &str {
    let mut end = 0;
    for line in text.split_inclusive('\n') {
        let content = line.trim_start_matches(' ');
        let ends = line.len() - content.len() < indent
            && !content.trim_end().is_empty()
            && !content.starts_with('#');
        if end > 0 && ends {
            break;
        }
        end += line.len();
    }
    text.get(..end).unwrap_or_default()
}

fn count(lines: usize) -> u64 {
    u64::try_from(lines).unwrap_or(u64::MAX)
}
