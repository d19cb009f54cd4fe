//! What the API server checks of an injection before it is stored, so that its author hears of it at once.
//!
//! The same is checked when it is read: the server's word is never relied upon. Bounds are those of a plan
//! ([`limits`]); they also bound what the rules may cost, without which the API server refuses them.

pub(crate) mod rules;

use esi_core::plan::limits;
use schemars::{JsonSchema as _, Schema, SchemaGenerator, json_schema};

use super::MAX_CONTAINERS;
use super::model::MAX_MOUNT_PATH_BYTES;
use super::spec::{Env, File};
use crate::crd::words;

pub(super) fn ttl(generator: &mut SchemaGenerator) -> Schema {
    let mut schema = words::span(generator);
    schema.insert("x-kubernetes-validations".to_owned(), rules::ttl());
    schema
}

pub(super) fn overlap(generator: &mut SchemaGenerator) -> Schema {
    let mut schema = words::span(generator);
    schema.insert("x-kubernetes-validations".to_owned(), rules::overlap());
    schema
}

pub(super) fn delivery(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "string", "enum": ["init", "node"]})
}

pub(super) fn env_method(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "string", "enum": ["file", "exec"]})
}

pub(super) fn format(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "string", "enum": ["env", "dotenv", "json"]})
}

pub(super) fn env(generator: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array",
        "maxItems": limits::MAX_VARIABLES,
        "items": Env::json_schema(generator),
    })
}

pub(super) fn files(generator: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array",
        "maxItems": limits::MAX_FILES,
        "items": File::json_schema(generator),
    })
}

pub(super) fn containers(generator: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array",
        "maxItems": MAX_CONTAINERS,
        "items": words::label(generator),
        "x-kubernetes-list-type": "set",
    })
}

pub(super) fn env_name(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "string", "minLength": 1, "maxLength": 253, "pattern": "^[-._A-Za-z][-._A-Za-z0-9]*$"})
}

pub(super) fn template(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "string", "maxLength": limits::MAX_TEMPLATE_BYTES})
}

pub(super) fn mode(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "string", "minLength": 3, "maxLength": 4, "pattern": "^0?[0-7][0-7][0145]$"})
}

pub(super) fn path(_: &mut SchemaGenerator) -> Schema {
    let first = words::component("", false);
    let other = words::component("", true);
    let more = limits::MAX_PATH_COMPONENTS - 1;
    let pattern = format!("^{first}(/{other}){{0,{more}}}$");
    json_schema!({"type": "string", "minLength": 1, "maxLength": limits::MAX_PATH_BYTES, "pattern": pattern})
}

pub(super) fn mount_path(_: &mut SchemaGenerator) -> Schema {
    let pattern = format!("^(/{})+$", words::component(":", true));
    json_schema!({"type": "string", "minLength": 2, "maxLength": MAX_MOUNT_PATH_BYTES, "pattern": pattern})
}
