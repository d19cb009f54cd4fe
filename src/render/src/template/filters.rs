//! The filters that credentials need beside the engine's own: into a URL, into Base64, into JSON.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use minijinja::value::{Kwargs, Value};
use minijinja::{Environment, Error, ErrorKind};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// All but RFC 3986's unreserved characters. The engine's own filter would leave `/`, and a password with one
/// would then end the authority of its URL.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

pub(super) fn add(environment: &mut Environment<'_>) {
    environment.add_filter("urlencode", urlencode);
    environment.add_filter("b64encode", b64encode);
    environment.add_filter("tojson", tojson);
}

#[expect(clippy::needless_pass_by_value, reason = "the shape that the engine calls")]
fn urlencode(text: Cow<'_, str>) -> String {
    utf8_percent_encode(&text, RESERVED).to_string()
}

#[expect(clippy::needless_pass_by_value, reason = "the shape that the engine calls")]
fn b64encode(text: Cow<'_, str>) -> String {
    STANDARD.encode(text.as_bytes())
}

/// The engine's own would make `null` of what is not defined, and a misspelt key would go unseen.
fn tojson(value: &Value) -> Result<Value, Error> {
    if value.is_undefined() {
        return Err(ErrorKind::UndefinedError.into());
    }
    minijinja::filters::tojson(value, None, Kwargs::from_iter(Vec::<(String, Value)>::new()))
}
