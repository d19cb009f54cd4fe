//! Text to values, within bounds, and errors to what a person needs.

use serde::de::DeserializeOwned;
use serde_saphyr::{Error, MessageFormatter as _, UserMessageFormatter};

/// Why a text was not read.
pub(crate) struct Fault {
    /// Within the text, from 1.
    pub(crate) line: Option<u64>,
    /// May quote the text.
    pub(crate) message: String,
    /// Never quotes the text.
    pub(crate) public: String,
}

impl Fault {
    pub(crate) fn new(line: Option<u64>, message: &str) -> Self {
        Self {
            line,
            message: message.to_owned(),
            public: message.to_owned(),
        }
    }

    /// Of JSON that is checked for its syntax alone: messages on syntax quote nothing, those on data may.
    pub(crate) fn json(error: &serde_json::Error) -> Self {
        let text = error.to_string();
        let place = format!(" at line {} column {}", error.line(), error.column());
        let message = if error.is_data() {
            "it has another shape than it should"
        } else {
            text.strip_suffix(&place).unwrap_or(&text)
        };
        let line = u64::try_from(error.line()).ok().filter(|line| *line > 0);
        Self::new(line, &format!("this JSON cannot be read: {message}"))
    }
}

/// Reads one document.
///
/// A manifest has neither many aliases nor deep nesting: the bounds leave room for people who share a block
/// between objects, and none for a text that unfolds to more than itself.
pub(crate) fn read<T: DeserializeOwned>(text: &str) -> Result<T, Fault> {
    let options = serde_saphyr::options! {
        with_snippet: false,
        // A text that starts with `!` and has no quotes would lose its beginning.
        reject_unsupported_tags: true,
        budget: serde_saphyr::budget! {
            max_depth: 48,
            max_aliases: 1_000,
            max_anchors: 1_000,
            max_recorded_anchor_events: 20_000,
            max_merge_keys: 1_000,
        },
        alias_limits: serde_saphyr::alias_limits! {
            max_total_replayed_events: 20_000,
            max_replay_stack_depth: 8,
        },
    };
    serde_saphyr::from_str_with_options(text, options).map_err(|error| fault(&error))
}

fn fault(error: &Error) -> Fault {
    let line = error
        .location()
        .map(|place| place.line())
        .filter(|line| *line > 0);
    let message = UserMessageFormatter.format_message(error).into_owned();
    let public = match error {
        // Written by the parser, about syntax alone.
        Error::ExternalMessage { .. } => format!("this is not YAML: {message}"),
        Error::Budget { .. }
        | Error::AliasReplayLimitExceeded { .. }
        | Error::AliasExpansionLimitExceeded { .. }
        | Error::AliasReplayStackDepthExceeded { .. }
        | Error::AliasReplayCounterOverflow { .. } => {
            "this unfolds to too much (aliases, nesting or size): write it out, in several files".to_owned()
        }
        Error::UnknownAnchor { .. } => {
            "an alias has no anchor in this document: put a text that starts with `*` in quotes".to_owned()
        }
        Error::UnsupportedTag { .. } => {
            "there is no such tag: put a text that starts with `!` in quotes".to_owned()
        }
        Error::DuplicateMappingKey { .. } => "a key is there twice".to_owned(),
        Error::Eof { .. } => "the document ends too early".to_owned(),
        _ => "this is no object: write apiVersion, kind and metadata as a mapping".to_owned(),
    };
    Fault {
        line,
        message,
        public,
    }
}
