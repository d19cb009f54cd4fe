//! Schemas of words: what the names of `esi_core` look like to the API server, and values of any shape.
//!
//! The API server counts characters where the types count bytes; text that is not ASCII can so be admitted by it
//! and refused by us.

use std::borrow::Cow;

use schemars::{Schema, SchemaGenerator, json_schema};

/// An RFC 1123 label: a namespace, a server, a container.
pub(crate) fn label(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "string", "minLength": 1, "maxLength": 63, "pattern": "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"})
}

/// An RFC 1123 subdomain: the name of an object.
pub(crate) fn object_name(_: &mut SchemaGenerator) -> Schema {
    let part = "[a-z0-9]([-a-z0-9]*[a-z0-9])?";
    let pattern = format!(r"^{part}(\.{part})*$");
    json_schema!({"type": "string", "minLength": 1, "maxLength": 253, "pattern": pattern})
}

/// A service account, as `namespace/name`.
pub(crate) fn service_account(_: &mut SchemaGenerator) -> Schema {
    let part = "[a-z0-9]([-a-z0-9]*[a-z0-9])?";
    let label = "[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?";
    let pattern = format!(r"^{label}/{part}(\.{part})*$");
    json_schema!({"type": "string", "minLength": 3, "maxLength": 317, "pattern": pattern})
}

/// A kind.
pub(crate) fn kind(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "string", "minLength": 1, "maxLength": 63, "pattern": "^[A-Z][A-Za-z0-9]*$"})
}

/// A key of a credential.
pub(crate) fn key(_: &mut SchemaGenerator) -> Schema {
    let max = esi_core::credential::MAX_KEY_BYTES;
    json_schema!({"type": "string", "minLength": 1, "maxLength": max, "pattern": r"^[^\p{Cc}]+$"})
}

/// A duration such as `1h30m`.
pub(crate) fn span(_: &mut SchemaGenerator) -> Schema {
    let pattern = "^([0-9]+h)?([0-9]+m)?([0-9]+s)?([0-9]+ms)?$";
    json_schema!({"type": "string", "minLength": 2, "maxLength": 32, "pattern": pattern})
}

/// An object of any fields.
pub(crate) fn any_object(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "object", "x-kubernetes-preserve-unknown-fields": true})
}

/// Any value.
pub(crate) fn any(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"x-kubernetes-preserve-unknown-fields": true})
}

/// A number, as one or as text.
pub(crate) fn int_or_string(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"x-kubernetes-int-or-string": true})
}

/// Where the original's schema requires nothing, and the types do.
pub(crate) fn nothing_required(schema: &mut Schema) {
    schema.remove("required");
}

/// A path component that is neither empty nor `.`, of characters that are neither control characters nor in
/// `other` (regular expressions of the API server look neither ahead nor behind); `..` may start it where `dots`.
pub(crate) fn component(other: &str, dots: bool) -> Cow<'static, str> {
    let not = |more: &str| format!(r"[^{more}/{other}\p{{Cc}}]");
    let (plain, after_dot) = (not("."), not(""));
    let longer = if dots {
        format!(r"|\.\.{after_dot}+")
    } else {
        String::new()
    };
    Cow::Owned(format!(r"({plain}{after_dot}*|\.{plain}{after_dot}*{longer})"))
}
