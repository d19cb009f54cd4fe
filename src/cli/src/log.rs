//! One line on standard error for each thing that a person should know. Standard output is the command's.

use std::fmt::Display;
use std::io::Write as _;

/// Writes one line. Control characters are escaped: parts of a message come over the network.
pub(crate) fn say(message: impl Display) {
    let line = line(&message.to_string());
    // Nobody is left to be told when standard error is gone.
    std::io::stderr()
        .lock()
        .write_all(line.as_bytes())
        .unwrap_or_default();
}

fn line(message: &str) -> String {
    let mut line = String::with_capacity(message.len().saturating_add(16));
    line.push_str("esi-cli: ");
    for character in message.chars() {
        if character.is_control() {
            line.extend(character.escape_default());
        } else {
            line.push(character);
        }
    }
    line.push('\n');
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_one_line_whatever_it_holds() {
        assert_eq!(line("a\nb\u{1b}[2J"), "esi-cli: a\\nb\\u{1b}[2J\n");
    }
}
