//! One JSON object of strings.

use esi_core::{Credential, SecretBytes};

use crate::buffer::Buffer;
use crate::error::{Fault, Target, Trouble};

/// A whole credential as one JSON object and a line feed. Keys are kept as they are.
pub(crate) fn json(credential: &Credential, limit: usize) -> Result<SecretBytes, Fault> {
    let mut out = Buffer::new(limit);
    let mut before: &[u8] = b"{";
    for (key, value) in credential.iter() {
        let value = value.expose_str().map_err(|_position| Fault::Unrepresentable {
            key: Some(key.to_owned()),
            trouble: Trouble::NotUtf8,
            target: Target::JsonFormat,
        })?;
        out.push(before)?;
        string(&mut out, key)?;
        out.push(b":")?;
        string(&mut out, value)?;
        before = b",";
    }
    if credential.is_empty() {
        out.push(before)?;
    }
    out.push(b"}\n")?;
    Ok(out.into_secret())
}

fn string(out: &mut Buffer, text: &str) -> Result<(), Fault> {
    // A string always serialises; only the buffer's limit can fail.
    serde_json::to_writer(out, text).map_err(|_full| Fault::TooLarge)
}
