//! The part of dotenv that its readers agree on.
//!
//! There is no specification, and readers differ in every escape: some decode `\\` in double quotes and some
//! do not, some do so in single quotes too, some expand `${X}` in both, some turn carriage returns into line
//! feeds. All of them take a text without those literally: between single quotes, or, where it has one of
//! these itself, between double quotes if it has no `"` and no `$`. Everything else is refused.

use esi_core::{Credential, SecretBytes};

use crate::buffer::Buffer;
use crate::error::{Fault, Target, Trouble};
use crate::names;

/// A whole credential as a dotenv file.
pub(crate) fn dotenv(credential: &Credential, limit: usize) -> Result<SecretBytes, Fault> {
    let mut out = Buffer::new(limit);
    for named in names::all(credential)? {
        let value = named.value.expose();
        let quote = quote(value).map_err(|trouble| Fault::Unrepresentable {
            key: Some(named.key.to_owned()),
            trouble,
            target: Target::DotenvFormat,
        })?;
        for part in [named.name.as_str().as_bytes(), b"=", quote, value, quote, b"\n"] {
            out.push(part)?;
        }
    }
    Ok(out.into_secret())
}

/// The quotes that hold `value`.
fn quote(value: &[u8]) -> Result<&'static [u8], Trouble> {
    if std::str::from_utf8(value).is_err() {
        return Err(Trouble::NotUtf8);
    }
    for (byte, trouble) in [
        (0, Trouble::Nul),
        (b'\\', Trouble::Backslash),
        (b'\r', Trouble::CarriageReturn),
    ] {
        if value.contains(&byte) {
            return Err(trouble);
        }
    }
    if value.windows(2).any(|pair| pair == b"${") {
        return Err(Trouble::Expansion);
    }
    if !value.contains(&b'\'') {
        return Ok(b"'");
    }
    if value.iter().any(|byte| b"\"$".contains(byte)) {
        return Err(Trouble::MixedQuotes);
    }
    Ok(b"\"")
}
