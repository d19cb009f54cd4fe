//! Generators without a backend.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

/// `Password`: random text.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct PasswordSpec {
    /// Characters in all (24).
    #[serde(default = "default_length")]
    pub length: u32,
    /// Exactly how many digits; a quarter of the length where absent.
    #[serde(default)]
    pub digits: Option<u32>,
    /// Exactly how many symbols; a quarter of the length where absent.
    #[serde(default)]
    pub symbols: Option<u32>,
    /// The symbols to choose from.
    #[serde(default)]
    pub symbol_characters: Option<String>,
    /// Without upper-case letters.
    #[serde(default)]
    pub no_upper: bool,
    /// A character may come twice.
    #[serde(default)]
    pub allow_repeat: bool,
    /// The credential's keys, each with a password of its own; `password` where absent.
    #[serde(default)]
    pub secret_keys: Vec<String>,
    /// How the text is encoded.
    #[serde(default)]
    pub encoding: PasswordEncoding,
}

fn default_length() -> u32 {
    24
}

/// How a password is encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema, Default)]
#[serde(rename_all = "lowercase")]
pub enum PasswordEncoding {
    /// As it is.
    #[default]
    Raw,
    /// RFC 4648 §4.
    Base64,
    /// RFC 4648 §5.
    Base64Url,
    /// RFC 4648 §6.
    Base32,
    /// Lower-case hexadecimal.
    Hex,
}

/// `UUID`: a random UUID (RFC 9562 version 4), under the key `uuid`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema, Default)]
#[serde(deny_unknown_fields)]
pub struct UuidSpec {}

/// `Fake`: the values that the manifest gives. Not a secret: whoever reads the manifest has them.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct FakeSpec {
    /// Read and without effect.
    #[serde(default)]
    pub controller: Option<String>,
    /// The values.
    #[serde(default)]
    pub data: BTreeMap<String, String>,
}
