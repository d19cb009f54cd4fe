//! Identifiers, and the names of the roles that are ours.

use std::fmt;

use esi_core::Intent;
use postgres_protocol::escape::{escape_identifier, escape_literal};
use thiserror::Error;

/// PostgreSQL cuts longer names silently (`NAMEDATALEN` - 1).
const MAX_BYTES: usize = 63;

/// A name as PostgreSQL keeps it. `Display` quotes it, so that it can be nothing but a name in a statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Identifier(String);

/// Why a text is no identifier.
#[derive(Debug, Error)]
#[error("`{}` is no name for PostgreSQL: write 1 to 63 bytes without NUL", .0.escape_debug())]
pub(super) struct BadIdentifier(String);

impl Identifier {
    pub(super) fn new(text: &str) -> Result<Self, BadIdentifier> {
        if text.is_empty() || text.len() > MAX_BYTES || text.contains('\0') {
            return Err(BadIdentifier(text.chars().take(80).collect()));
        }
        Ok(Self(text.to_owned()))
    }

    /// The name itself, unquoted.
    pub(super) fn text(&self) -> &str {
        &self.0
    }

    /// The name as a string constant.
    pub(super) fn literal(&self) -> String {
        escape_literal(&self.0)
    }
}

impl fmt::Display for Identifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&escape_identifier(&self.0))
    }
}

/// What of a wished user name can stand in a role's name without quotes: lower case, `_` for anything else.
pub(super) fn readable(wish: &str) -> String {
    wish.chars()
        .map(|c| match c.to_ascii_lowercase() {
            c @ ('a'..='z' | '0'..='9') => c,
            _ => '_',
        })
        .collect()
}

/// The name of the role that an intent makes: the intent's, then `_` and as much of the readable part as fits.
pub(super) fn role(intent: &Intent, part: &str) -> Identifier {
    let mut name = intent.name('_');
    if !part.is_empty() {
        name.push('_');
        let room = MAX_BYTES.saturating_sub(name.len());
        name.extend(part.chars().take(room));
    }
    Identifier(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use esi_core::LeaseId;

    fn intent() -> Intent {
        Intent {
            installation: "0a1b2c3d".parse().unwrap(),
            lease: LeaseId::random(),
        }
    }

    #[test]
    fn an_identifier_cannot_leave_its_quotes() {
        let hostile = Identifier::new("a\"; DROP ROLE x; --é").unwrap();
        assert_eq!(hostile.to_string(), "\"a\"\"; DROP ROLE x; --é\"");
        assert_eq!(Identifier::new("a'b").unwrap().literal(), "'a''b'");
        assert_eq!(Identifier::new("a\\").unwrap().literal(), " E'a\\\\'");
    }

    #[test]
    fn what_postgresql_would_cut_or_end_early_is_refused() {
        assert!(Identifier::new(&"a".repeat(63)).is_ok());
        for bad in ["", "a\0b", &"a".repeat(64), &"é".repeat(32)] {
            assert!(Identifier::new(bad).is_err(), "{bad:?} was taken");
        }
    }

    #[test]
    fn a_roles_name_begins_with_the_intents_and_fits() {
        let intent = intent();
        assert_eq!(role(&intent, "").text(), intent.name('_'));
        assert_eq!(role(&intent, "shop").text(), format!("{}_shop", intent.name('_')));
        let long = role(&intent, &readable(&"É\"; --x".repeat(40)));
        assert_eq!(long.text().len(), MAX_BYTES);
        assert!(long.text().starts_with(&intent.name('_')));
        assert!(
            long.text()
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
        );
    }
}
