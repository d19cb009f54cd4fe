//! Text of users inside our messages: cut, and free of everything that is no plain text.

use std::fmt;

/// Most characters of one part of a message. An error has at most three parts.
const MAX_PART: usize = 480;
/// Most characters of what a user wrote, where a message repeats it.
const MAX_QUOTE: usize = 80;
/// Kubernetes may cut a warning after this many characters.
pub(super) const MAX_WARNING: usize = 256;

/// A part of a message. Invariant: at most [`MAX_PART`] visible characters (an escaped one counts as one), no
/// control character, nothing that turns the direction of text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Text(String);

impl Text {
    pub(super) fn new(text: impl AsRef<str>) -> Self {
        Self(plain(text.as_ref(), MAX_PART))
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a user wrote, fit to stand inside a message.
pub(super) fn quote(text: &str) -> String {
    plain(text, MAX_QUOTE)
}

/// At most `max` characters of a text, and `…` in the place of the rest.
pub(super) fn plain(text: &str, max: usize) -> String {
    let mut out = String::with_capacity(text.len().min(max));
    for (index, char) in text.chars().enumerate() {
        if index >= max {
            out.push('…');
            break;
        }
        // `escape_debug` knows what is not printable; quotation marks and `\` are.
        if matches!(char, '"' | '\'' | '\\') {
            out.push(char);
        } else {
            out.extend(char.escape_debug());
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_text_stays_as_it_is() {
        assert_eq!(
            Text::new("a `b` \"c\" 'd' \\ é 日本").to_string(),
            "a `b` \"c\" 'd' \\ é 日本"
        );
    }

    #[test]
    fn what_is_no_plain_text_is_escaped() {
        for hostile in [
            "\0",
            "\n",
            "\u{1b}[31m",
            "\u{202e}",
            "\u{200b}",
            "\u{7f}",
            "\u{85}",
            "\u{2028}",
        ] {
            let shown = quote(hostile);
            assert!(shown.starts_with('\\'), "{hostile:?} became {shown:?}");
        }
    }

    #[test]
    fn a_long_text_is_cut() {
        let shown = quote(&"é".repeat(1_000_000));
        assert_eq!(shown.chars().count(), MAX_QUOTE + 1);
        assert!(shown.ends_with('…'));
    }
}
