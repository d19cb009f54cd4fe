//! The pod's tokens, as kubelet gives them: `{"<audience>":{"token":"…","expirationTimestamp":"…"}}`.

use std::collections::BTreeMap;

use esi_core::SecretBytes;
use serde::{Deserialize, Deserializer};

use super::Invalid;

#[derive(Deserialize)]
struct Token {
    #[serde(deserialize_with = "secret")]
    token: SecretBytes,
}

fn secret<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SecretBytes, D::Error> {
    String::deserialize(deserializer).map(SecretBytes::from)
}

/// By audience. When they expire is not read: the server says whether one is good.
pub(super) fn parse(text: &SecretBytes) -> Result<BTreeMap<String, SecretBytes>, Invalid> {
    // The parser's error may quote what it could not read.
    let tokens: BTreeMap<String, Token> =
        serde_json::from_slice(text.expose()).map_err(|_quotes| Invalid::Tokens)?;
    Ok(tokens
        .into_iter()
        .map(|(audience, Token { token })| (audience, token))
        .collect())
}
