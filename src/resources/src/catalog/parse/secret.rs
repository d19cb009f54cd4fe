//! `Secret` (`v1`): its values go straight into [`SecretBytes`], and no error tells anything of them.

use std::collections::BTreeMap;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use esi_core::SecretBytes;
use serde::de::{Error, IgnoredAny, Visitor};
use serde::{Deserialize, Deserializer};

use crate::catalog::snapshot::SecretData;
use crate::manifest::yaml::{self, Fault};

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Secret {
    #[serde(rename = "apiVersion")]
    _api_version: IgnoredAny,
    #[serde(rename = "kind")]
    _kind: IgnoredAny,
    #[serde(rename = "metadata")]
    _metadata: IgnoredAny,
    #[serde(default, rename = "type")]
    _type: Option<IgnoredAny>,
    #[serde(default, rename = "immutable")]
    _immutable: Option<IgnoredAny>,
    #[serde(default)]
    data: Option<BTreeMap<String, Encoded>>,
    #[serde(default)]
    string_data: Option<BTreeMap<String, Plain>>,
}

/// `stringData` wins over `data`, as in Kubernetes.
pub(super) fn read(text: &str) -> Result<SecretData, Fault> {
    let secret: Secret = yaml::read(text).map_err(|fault: Fault| {
        Fault::new(
            fault.line,
            "this Secret cannot be read here (what it says is not shown): write `data` as base64 text, or \
             `stringData` as text, and no other field",
        )
    })?;
    let encoded = secret.data.unwrap_or_default().into_iter();
    let plain = secret.string_data.unwrap_or_default().into_iter();
    Ok(encoded
        .map(|(key, Encoded(value))| (key, value))
        .chain(plain.map(|(key, Plain(value))| (key, value)))
        .collect())
}

struct Encoded(SecretBytes);
struct Plain(SecretBytes);

struct Text<F>(F);

impl<F: FnOnce(&str) -> Option<SecretBytes>> Visitor<'_> for Text<F> {
    type Value = SecretBytes;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("text")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<SecretBytes, E> {
        (self.0)(text).ok_or_else(|| E::custom("not base64"))
    }

    fn visit_string<E: Error>(self, text: String) -> Result<SecretBytes, E> {
        // Zeroises the copy that it was given.
        let text = SecretBytes::from(text);
        self.visit_str(text.expose_str().unwrap_or_default())
    }
}

impl<'de> Deserialize<'de> for Encoded {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(Text(decode)).map(Self)
    }
}

impl<'de> Deserialize<'de> for Plain {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer
            .deserialize_str(Text(|text: &str| Some(SecretBytes::from(text))))
            .map(Self)
    }
}

/// Line breaks are no part of it, as in Go's decoder, which Kubernetes uses.
fn decode(text: &str) -> Option<SecretBytes> {
    let packed: Vec<u8> = text.bytes().filter(|byte| !b"\r\n".contains(byte)).collect();
    let packed = SecretBytes::new(packed);
    STANDARD.decode(packed.expose()).ok().map(SecretBytes::new)
}
