//! From an answer to bytes.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use serde::ser::Error as _;

use super::{API_VERSION, KIND};
use crate::mutate::Patch;

/// Most bytes of one warning: the API server cuts what is longer (256, KEP-1693).
const MAX_WARNING_BYTES: usize = 256;
/// Most bytes of all warnings of one answer: the API server drops more than 4,096, of all webhooks together.
const MAX_WARNINGS_BYTES: usize = 2048;
/// Most bytes of a denial's message: enough for what is wrong and the lines to write, and nothing that fills an event.
const MAX_MESSAGE_BYTES: usize = 4096;
/// All of a usual answer but its patch fits in.
const USUAL_BYTES: usize = 512;
/// How a response ends: it is the last field of its envelope.
const END: &[u8] = b"}}";
/// What ends a text that was cut.
const ELLIPSIS: char = '…';

/// What is answered to a review.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// The pod goes on as it is, and why, as a metric label.
    Untouched(&'static str),
    /// The pod goes on, changed.
    Patched {
        /// Never empty.
        patch: Patch,
        /// What the user is told.
        warnings: Vec<String>,
    },
    /// The pod has all its parts already.
    Complete {
        /// What the user is told.
        warnings: Vec<String>,
    },
    /// The pod does not go on.
    Denied(Denial),
}

/// Why a pod does not go on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Denial {
    /// An HTTP status: 403 where the pod asks for what it cannot have, 400 where the review cannot be read.
    pub code: u16,
    /// A metric label, of a closed set.
    pub reason: &'static str,
    /// For the user: what is wrong, where, and the line to write.
    pub message: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Envelope<'a> {
    api_version: &'static str,
    kind: &'static str,
    response: Response<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Response<'a> {
    uid: &'a str,
    allowed: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<Status>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<String>,
}

#[derive(Serialize)]
struct Status {
    code: u16,
    reason: &'static str,
    message: String,
}

/// The answer to the review of this uid, in JSON.
///
/// # Errors
/// If the patch cannot be written: it holds nothing but JSON, so that is a defect.
pub fn response(uid: &str, answer: &Answer) -> Result<Vec<u8>, serde_json::Error> {
    let mut response = Response {
        uid,
        allowed: true,
        status: None,
        warnings: Vec::new(),
    };
    let mut change: &[u8] = &[];
    match answer {
        Answer::Untouched(_) => {}
        Answer::Complete { warnings } => response.warnings = bounded(warnings),
        Answer::Patched { patch, warnings } => {
            change = patch.as_bytes();
            response.warnings = bounded(warnings);
        }
        Answer::Denied(Denial { code, message, .. }) => {
            response.allowed = false;
            response.status = Some(Status {
                code: *code,
                reason: if *code == 403 { "Forbidden" } else { "BadRequest" },
                message: clean(message, MAX_MESSAGE_BYTES),
            });
        }
    }
    let envelope = Envelope {
        api_version: API_VERSION,
        kind: KIND,
        response,
    };
    // Base64 writes four bytes for three.
    let mut bytes = Vec::with_capacity(USUAL_BYTES + change.len() / 3 * 4);
    serde_json::to_writer(&mut bytes, &envelope)?;
    if !change.is_empty() {
        write_patch(change, &mut bytes)?;
    }
    Ok(bytes)
}

/// Puts a patch into a response that ends where its fields do. By hand: no byte of base64 needs an escape, and a text of
/// many KiB would be searched for them.
fn write_patch(patch: &[u8], response: &mut Vec<u8>) -> Result<(), serde_json::Error> {
    let end = response.len().saturating_sub(END.len());
    response.truncate(end);
    response.extend_from_slice(br#","patchType":"JSONPatch","patch":""#);
    let start = response.len();
    response.resize(start + patch.len().div_ceil(3) * 4, 0);
    let room = response.get_mut(start..).unwrap_or_default();
    STANDARD
        .encode_slice(patch, room)
        .map_err(serde_json::Error::custom)?;
    response.push(b'"');
    response.extend_from_slice(END);
    Ok(())
}

/// Warnings as HTTP headers can carry them: each cut, all bounded, the last one saying what is left out.
fn bounded(warnings: &[String]) -> Vec<String> {
    let mut left = MAX_WARNINGS_BYTES;
    let mut kept = Vec::new();
    for (at, warning) in warnings.iter().enumerate() {
        let warning = clean(warning, MAX_WARNING_BYTES).replace('\n', " ");
        if warning.len() > left {
            kept.push(format!("esi: {} more warnings are left out", warnings.len() - at));
            break;
        }
        left -= warning.len();
        kept.push(warning);
    }
    kept
}

/// The text without control characters but line ends, cut to this many bytes.
fn clean(text: &str, most: usize) -> String {
    let mut clean = String::new();
    for c in text.chars() {
        let c = if c.is_control() && c != '\n' { ' ' } else { c };
        if clean.len() + c.len_utf8() > most {
            while clean.len() + ELLIPSIS.len_utf8() > most {
                clean.pop();
            }
            clean.push(ELLIPSIS);
            break;
        }
        clean.push(c);
    }
    clean
}
