//! The grammar that kubelet reads for `env[].valueFrom.fileKeyRef` (Kubernetes 1.35 and newer).
//!
//! `KEY='value'`, the value literal and possibly of many lines, without any escape. kubelet scans lines with
//! Go's `bufio.Scanner`, which drops a carriage return before a line feed and gives up on a line of 64 KiB;
//! it takes an empty value as a missing one; and the container runtime's interface carries UTF-8 only.

use esi_core::{Credential, SecretBytes};

use crate::buffer::Buffer;
use crate::error::{Fault, RenderError, Target, Trouble};
use crate::{MAX_RENDERED_BYTES, Variable, names};

/// `bufio.MaxScanTokenSize`: a line and its line feed must fit.
const SCANNER_BYTES: usize = 64 * 1024;

/// What a file without variables holds: kubelet must find a file that parses, even for optional keys.
const NO_VARIABLES: &[u8] = b"# no variables\n";

/// The env file of a binding, from which kubelet reads variables. It is a valid file for any number of
/// variables, also for none.
///
/// # Errors
/// A variable whose value the grammar cannot hold: a single quote, a carriage return before a line feed, NUL,
/// a line of 64 KiB, no bytes at all, or bytes that are not UTF-8.
pub fn env_file(variables: &[Variable]) -> Result<SecretBytes, RenderError> {
    let mut out = Buffer::new(MAX_RENDERED_BYTES);
    for Variable { name, value } in variables {
        push(
            &mut out,
            name.as_str(),
            value.expose(),
            None,
            Target::KubeletVariable,
        )
        .map_err(|fault| RenderError::new(format!("env `{name}`"), fault))?;
    }
    finish(out).map_err(|fault| RenderError::new("env".to_owned(), fault))
}

/// A whole credential in this grammar.
pub(crate) fn env(credential: &Credential, limit: usize) -> Result<SecretBytes, Fault> {
    let mut out = Buffer::new(limit);
    for named in names::all(credential)? {
        let (name, value) = (named.name.as_str(), named.value.expose());
        push(&mut out, name, value, Some(named.key), Target::EnvFormat)?;
    }
    finish(out)
}

fn push(out: &mut Buffer, name: &str, value: &[u8], key: Option<&str>, target: Target) -> Result<(), Fault> {
    let refuse = |trouble| Fault::Unrepresentable {
        key: key.map(str::to_owned),
        trouble,
        target,
    };
    if let Some(trouble) = trouble(value) {
        return Err(refuse(trouble));
    }
    let start = out.len();
    for part in [name.as_bytes(), b"='", value, b"'\n"] {
        out.push(part)?;
    }
    let mut lines = out.since(start).split(|&byte| byte == b'\n');
    if lines.any(|line| line.len() >= SCANNER_BYTES) {
        return Err(refuse(Trouble::LongLine));
    }
    Ok(())
}

fn finish(mut out: Buffer) -> Result<SecretBytes, Fault> {
    if out.len() == 0 {
        out.push(NO_VARIABLES)?;
    }
    Ok(out.into_secret())
}

fn trouble(value: &[u8]) -> Option<Trouble> {
    if value.is_empty() {
        Some(Trouble::Empty)
    } else if std::str::from_utf8(value).is_err() {
        Some(Trouble::NotUtf8)
    } else if value.contains(&0) {
        Some(Trouble::Nul)
    } else if value.contains(&b'\'') {
        Some(Trouble::SingleQuote)
    } else if value.windows(2).any(|pair| pair == b"\r\n") {
        Some(Trouble::CarriageReturnLineFeed)
    } else {
        None
    }
}
