//! Random passwords, as External Secrets Operator makes them (the rules of sethvargo/go-password): an exact number
//! of digits and of symbols, letters for the rest, in random order, no character twice unless allowed.

use data_encoding::{BASE32, BASE64, BASE64URL, HEXLOWER};
use esi_core::SecretBytes;
use esi_resources::generator::{PasswordEncoding, PasswordSpec};
use thiserror::Error;
use zeroize::Zeroizing;

use crate::error::GeneratorError;
use crate::random;

const LOWER: &str = "abcdefghijklmnopqrstuvwxyz";
const UPPER: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
const DIGITS: &str = "0123456789";
/// External Secrets Operator's default.
const SYMBOLS: &str = "~!@#$%^&*()_+`-={}|[]\\:\"<>?,./";
/// Longest password. No backend known takes more; it bounds what one request may cost.
const MAX_LENGTH: u32 = 4096;

/// A manifest's wish, found possible.
pub(super) struct Recipe {
    /// How many characters of which alphabet.
    parts: [(usize, Vec<char>); 3],
    allow_repeat: bool,
    encoding: PasswordEncoding,
}

/// Why no password can be as the manifest says.
#[derive(Debug, Error)]
enum Impossible {
    #[error("{length} characters are asked for; write 1 to {MAX_LENGTH}")]
    Length { length: u32 },
    #[error(
        "{digits} digits and {symbols} symbols do not fit into {length} characters: raise `length` or lower `digits` or `symbols`"
    )]
    Sum { digits: u32, symbols: u32, length: u32 },
    #[error(
        "{wanted} {what} are asked for and there are {available} different ones: set `allowRepeat: true` or change {instead}"
    )]
    Repeats {
        wanted: u32,
        what: &'static str,
        available: usize,
        instead: &'static str,
    },
    #[error(
        "{symbols} symbols are asked for, but `symbolCharacters` is empty: name some, or set `symbols: 0`"
    )]
    NoSymbols { symbols: u32 },
}

impl Recipe {
    pub(super) fn new(spec: &PasswordSpec) -> Result<Self, GeneratorError> {
        let length = spec.length;
        if length == 0 || length > MAX_LENGTH {
            return Err(refuse("spec.length", Impossible::Length { length }));
        }
        let digits = spec.digits.unwrap_or(length / 4);
        let symbols = spec.symbols.unwrap_or(length / 4);
        let Some(letters) = length
            .checked_sub(digits)
            .and_then(|rest| rest.checked_sub(symbols))
        else {
            let problem = Impossible::Sum {
                digits,
                symbols,
                length,
            };
            return Err(refuse("spec.length", problem));
        };
        let letter_alphabet = if spec.no_upper {
            LOWER.to_owned()
        } else {
            [LOWER, UPPER].concat()
        };
        let symbol_alphabet = distinct(spec.symbol_characters.as_deref().unwrap_or(SYMBOLS));
        if symbols > 0 && symbol_alphabet.is_empty() {
            return Err(refuse("spec.symbolCharacters", Impossible::NoSymbols { symbols }));
        }
        let parts = [
            (
                letters,
                "letters",
                distinct(&letter_alphabet),
                "`length`",
                "spec.length",
            ),
            (digits, "digits", distinct(DIGITS), "`digits`", "spec.digits"),
            (
                symbols,
                "symbols",
                symbol_alphabet,
                "`symbols` or `symbolCharacters`",
                "spec.symbols",
            ),
        ];
        for (wanted, what, alphabet, instead, field) in &parts {
            if !spec.allow_repeat && *wanted as usize > alphabet.len() {
                let problem = Impossible::Repeats {
                    wanted: *wanted,
                    what,
                    available: alphabet.len(),
                    instead,
                };
                return Err(refuse(field, problem));
            }
        }
        Ok(Self {
            parts: parts.map(|(count, _, alphabet, _, _)| (count as usize, alphabet)),
            allow_repeat: spec.allow_repeat,
            encoding: spec.encoding,
        })
    }

    /// A new password.
    pub(super) fn make(&self) -> Result<SecretBytes, GeneratorError> {
        let length = self.parts.iter().map(|(count, _)| count).sum();
        let mut drawn = Zeroizing::new(Vec::with_capacity(length));
        for (count, alphabet) in &self.parts {
            if self.allow_repeat {
                for _ in 0..*count {
                    drawn.push(random::pick(alphabet)?);
                }
            } else {
                let mut pool = Zeroizing::new(alphabet.clone());
                random::shuffle(&mut pool, *count)?;
                drawn.extend(pool.iter().take(*count));
            }
        }
        random::shuffle(&mut drawn, length)?;
        // With room for the widest character, so that no growth leaves a copy behind.
        let mut text = Zeroizing::new(String::with_capacity(length * 4));
        text.extend(drawn.iter());
        Ok(encode(self.encoding, text.as_bytes()))
    }
}

fn encode(encoding: PasswordEncoding, bytes: &[u8]) -> SecretBytes {
    match encoding {
        PasswordEncoding::Raw => bytes.to_vec().into(),
        PasswordEncoding::Base64 => BASE64.encode(bytes).into(),
        PasswordEncoding::Base64Url => BASE64URL.encode(bytes).into(),
        PasswordEncoding::Base32 => BASE32.encode(bytes).into(),
        PasswordEncoding::Hex => HEXLOWER.encode(bytes).into(),
    }
}

fn distinct(text: &str) -> Vec<char> {
    let mut characters: Vec<char> = text.chars().collect();
    characters.sort_unstable();
    characters.dedup();
    characters
}

fn refuse(field: &'static str, problem: Impossible) -> GeneratorError {
    GeneratorError::Misconfigured {
        field,
        problem: Box::new(problem),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use esi_core::chain;

    pub(in super::super) fn spec() -> PasswordSpec {
        PasswordSpec {
            length: 24,
            digits: None,
            symbols: None,
            symbol_characters: None,
            no_upper: false,
            allow_repeat: false,
            secret_keys: Vec::new(),
            encoding: PasswordEncoding::Raw,
        }
    }

    fn made(spec: &PasswordSpec) -> String {
        let secret = Recipe::new(spec).unwrap().make().unwrap();
        secret.expose_str().unwrap().to_owned()
    }

    fn refusal(spec: &PasswordSpec) -> String {
        chain(&Recipe::new(spec).err().expect("it was taken"))
    }

    #[test]
    fn by_default_a_quarter_are_digits_a_quarter_symbols_and_nothing_comes_twice() {
        for _ in 0..200 {
            let text = made(&spec());
            assert_eq!(text.len(), 24);
            assert_eq!(text.chars().filter(char::is_ascii_digit).count(), 6, "{text}");
            assert_eq!(text.chars().filter(|c| SYMBOLS.contains(*c)).count(), 6, "{text}");
            assert_eq!(distinct(&text).len(), 24, "{text}");
        }
    }

    #[test]
    fn the_groups_are_mixed() {
        // The first character is a digit in a quarter of all cases, not always or never.
        let starts = (0..400).filter(|_| made(&spec()).starts_with(|c: char| c.is_ascii_digit()));
        assert!((40..=160).contains(&starts.count()));
    }

    #[test]
    fn without_upper_case_and_symbols_there_are_none() {
        let spec = PasswordSpec {
            symbols: Some(0),
            no_upper: true,
            allow_repeat: true,
            length: 200,
            ..spec()
        };
        let text = made(&spec);
        assert!(
            text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit()),
            "{text}"
        );
        assert_eq!(text.bytes().filter(u8::is_ascii_digit).count(), 50);
    }

    #[test]
    fn symbols_come_from_the_given_ones_whatever_their_script() {
        let spec = PasswordSpec {
            length: 2,
            digits: Some(0),
            symbols: Some(2),
            symbol_characters: Some("é€".to_owned()),
            ..spec()
        };
        assert!(["é€", "€é"].contains(&made(&spec).as_str()));
    }

    #[test]
    fn the_encoding_is_of_the_password() {
        let with = |encoding| PasswordSpec {
            length: 3,
            digits: Some(0),
            symbols: Some(3),
            symbol_characters: Some("?".to_owned()),
            allow_repeat: true,
            encoding,
            ..spec()
        };
        assert_eq!(made(&with(PasswordEncoding::Raw)), "???");
        assert_eq!(made(&with(PasswordEncoding::Base64)), "Pz8/");
        assert_eq!(made(&with(PasswordEncoding::Base64Url)), "Pz8_");
        assert_eq!(made(&with(PasswordEncoding::Base32)), "H47T6===");
        assert_eq!(made(&with(PasswordEncoding::Hex)), "3f3f3f");
    }

    #[test]
    fn an_impossible_wish_is_refused_with_what_to_change() {
        let cases = [
            (PasswordSpec { length: 0, ..spec() }, "write 1 to 4096"),
            (
                PasswordSpec {
                    length: 5000,
                    ..spec()
                },
                "write 1 to 4096",
            ),
            (
                PasswordSpec {
                    digits: Some(20),
                    ..spec()
                },
                "raise `length`",
            ),
            (
                PasswordSpec {
                    digits: Some(u32::MAX),
                    symbols: Some(u32::MAX),
                    ..spec()
                },
                "raise `length`",
            ),
            (
                PasswordSpec { length: 48, ..spec() },
                "12 digits are asked for and there are 10",
            ),
            (
                PasswordSpec {
                    length: 60,
                    digits: Some(0),
                    symbols: Some(0),
                    ..spec()
                },
                "set `allowRepeat: true`",
            ),
            (
                PasswordSpec {
                    symbol_characters: Some(String::new()),
                    ..spec()
                },
                "set `symbols: 0`",
            ),
            (
                PasswordSpec {
                    symbol_characters: Some("!!!!!!!!".to_owned()),
                    ..spec()
                },
                "there are 1 different ones",
            ),
        ];
        for (spec, expected) in cases {
            let refusal = refusal(&spec);
            assert!(refusal.contains(expected), "{refusal}");
        }
    }
}
