//! What is quoted of a manifest, for logs and answers.

/// Most characters: parsers quote what they read, and that may be long.
const MAX_TEXT: usize = 400;

/// One line, escaped and cut: what is quoted may be hostile.
pub(crate) fn shown(text: &str) -> String {
    let mut shown: String = text.chars().take(MAX_TEXT).flat_map(escape).collect();
    if text.chars().nth(MAX_TEXT).is_some() {
        shown.push('…');
    }
    shown
}

fn escape(character: char) -> impl Iterator<Item = char> {
    let control = character.is_control();
    let escaped = control.then(|| character.escape_default());
    let plain = (!control).then_some(character);
    escaped.into_iter().flatten().chain(plain)
}
