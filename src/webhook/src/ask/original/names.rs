//! `name.key`: which generator's credential, and which key of it.
//!
//! In the original the part before the dot is the name of a Secret. Where a federation server is asked there is no
//! Secret: the name is the generator's. Since the original wants `externalsecret` in any case, its name stands for
//! the generator too, if there is but one.

use super::generators::Generator;
use crate::ask::text::quote;

/// Most names of `externalsecret` that are looked at.
const MAX_ALIASES: usize = 32;

/// Names that values may use.
#[derive(Debug, Clone)]
pub(super) struct Names<'a> {
    generators: &'a [Generator<'a>],
    aliases: Vec<&'a str>,
}

/// What a value names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Named<'a> {
    /// The whole credential of the generator with this index.
    Whole(usize),
    /// A key of it.
    Key(usize, &'a str),
}

impl<'a> Names<'a> {
    pub(super) fn new(generators: &'a [Generator<'a>], externalsecret: Option<&'a str>) -> Self {
        let aliases = match generators {
            [_only] => externalsecret
                .into_iter()
                .flat_map(|names| names.split(','))
                .map(str::trim)
                .filter(|name| !name.is_empty())
                .take(MAX_ALIASES)
                .collect(),
            _ => Vec::new(),
        };
        Self { generators, aliases }
    }

    /// The only generator's index.
    pub(super) fn only(&self) -> Option<usize> {
        (self.generators.len() == 1).then_some(0)
    }

    /// What a value names; otherwise what is wrong with it.
    pub(super) fn resolve<'t>(&self, text: &'t str) -> Result<Named<'t>, String> {
        let names = self
            .generators
            .iter()
            .enumerate()
            .map(|(index, generator)| (index, generator.reference.name.as_str()));
        let names = names.chain(self.aliases.iter().map(|alias| (0, *alias)));
        let mut found: Vec<Named<'t>> = Vec::new();
        for (index, name) in names {
            let hit = match text.strip_prefix(name) {
                Some("") => Named::Whole(index),
                Some(rest) => match rest.strip_prefix('.') {
                    Some(key) if !key.is_empty() => Named::Key(index, key),
                    _ => continue,
                },
                None => continue,
            };
            if !found.contains(&hit) {
                found.push(hit);
            }
        }
        match found.as_slice() {
            [one] => Ok(*one),
            [] => Err(format!(
                "`{}` names none of the generators: write `{}.KEY`",
                quote(text),
                self.example()
            )),
            _ => Err(format!(
                "`{}` can be read in two ways, since one name is the beginning of another: state the generators as \
                 Injections",
                quote(text)
            )),
        }
    }

    /// A name for messages.
    pub(super) fn example(&self) -> String {
        self.generators
            .first()
            .map_or_else(String::new, |first| quote(first.reference.name.as_str()))
    }
}
