//! The file as it is written: its fields, their defaults, and where each stands.

use std::collections::BTreeMap;
use std::path::PathBuf;

use esi_core::names::ServerName;
use esi_resources::injection::Delivery;
use serde::Deserialize;
use serde_saphyr::{MessageFormatter as _, Spanned, UserMessageFormatter};

use super::{ConfigError, VolumeKind};

/// A file. Unknown fields are refused: a typing error must not be a default.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Document {
    pub(super) servers: BTreeMap<ServerName, Spanned<Server>>,
    #[serde(default = "standard_delivery")]
    pub(super) delivery: Delivery,
    #[serde(default = "standard_volume")]
    pub(super) volume: VolumeKind,
    pub(super) init: Init,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Server {
    pub(super) url: Spanned<String>,
    pub(super) ca: Option<Spanned<String>>,
    pub(super) ca_file: Option<Spanned<PathBuf>>,
    pub(super) audience: Option<Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Init {
    pub(super) image: Spanned<String>,
    pub(super) image_pull_policy: Option<Spanned<String>>,
    pub(super) run_as_user: Option<Spanned<u32>>,
    pub(super) cpu: Option<Spanned<String>>,
    pub(super) memory: Option<Spanned<String>>,
    pub(super) deadline: Option<Spanned<String>>,
    pub(super) token_lifetime: Option<Spanned<String>>,
}

fn standard_delivery() -> Delivery {
    // The one that needs nothing on the nodes beyond the volume.
    Delivery::Init
}

fn standard_volume() -> VolumeKind {
    VolumeKind::Csi
}

/// Reads a file's text. It is written by hand and by nobody hostile; the bounds keep a mistake from costing more than
/// a message.
pub(super) fn read(text: &str) -> Result<Document, ConfigError> {
    let options = serde_saphyr::options! {
        with_snippet: false,
        budget: serde_saphyr::budget! { max_depth: 16, max_aliases: 64, max_anchors: 64 },
    };
    serde_saphyr::from_str_with_options(text, options).map_err(|error| {
        let place = error.location().map(|place| (place.line(), place.column()));
        let message = UserMessageFormatter.format_message(&error).into_owned();
        ConfigError::syntax(place, message)
    })
}
