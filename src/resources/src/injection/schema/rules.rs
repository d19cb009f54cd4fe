//! The rules that one field's schema cannot say, in CEL.
//!
//! Each rule's message is what `kubectl apply` shows. The API server bounds what a rule may cost at worst
//! (10,000,000 units, and ten times that for all rules); with the bounds of the lists and texts that they walk
//! the dearest, that of the paths, has about a quarter.

use esi_core::plan::limits;
use esi_core::span;
use serde_json::{Value, json};

/// Of the whole object: its name is that of a binding.
pub(crate) fn object() -> Value {
    json!([{
        "rule": "size(self.metadata.name) <= 59 && !self.metadata.name.contains('.')",
        "message": "write a name of at most 59 characters without dots: it is also the binding's name, and \
                    `esi-<name>` is that of its volume",
    }])
}

pub(in crate::injection) fn spec() -> Value {
    json!([
        {
            "rule": "(has(self.env) && size(self.env) > 0) || (has(self.files) && size(self.files) > 0) || \
                     (has(self.allKeys) && self.allKeys)",
            "message": "nothing would be shown: write `env`, `files` or, with `envMethod: exec`, `allKeys: true`",
        },
        {
            "rule": "!has(self.allKeys) || !self.allKeys || (has(self.envMethod) && self.envMethod == 'exec')",
            "message": "Kubernetes wants the name of every variable beforehand: name them in `env`, or set \
                        `envMethod` to `exec` beside `allKeys`",
        },
        {
            "rule": "!has(self.delivery) || self.delivery != 'node' || !has(self.envMethod) || \
                     self.envMethod != 'exec'",
            "message": "the node daemon touches no command: write `envMethod: file` or `delivery: init`",
        },
        {
            "rule": "!has(self.env) || self.env.all(one, self.env.exists_one(other, other.name == one.name))",
            "message": "a variable is there twice: each name of `env` may be used once",
        },
        {
            "rule": "!has(self.files) || self.files.map(one, one.path + '/').all(one, \
                     self.files.exists_one(other, (other.path + '/').startsWith(one)))",
            "message": "two files cannot both be: each path of `files` may be used once, and none may lie below \
                        another",
        },
        {
            "rule": "!has(self.files) || !has(self.envMethod) || self.envMethod != 'exec' || \
                     self.files.all(one, !(one.path + '/').startsWith('.environ/'))",
            "message": "`.environ` is where the variables of `envMethod: exec` go: choose another path",
        },
    ])
}

pub(in crate::injection) fn source() -> Value {
    json!([{
        "rule": "has(self.generator) != has(self.secret)",
        "message": "write exactly one of `generator` and `secret`",
    }])
}

pub(in crate::injection) fn env() -> Value {
    json!([{
        "rule": "has(self.key) != has(self.template)",
        "message": "write exactly one of `key` and `template`",
    }])
}

pub(in crate::injection) fn file() -> Value {
    json!([{
        "rule": "[has(self.format), has(self.key), has(self.template)].exists_one(one, one)",
        "message": "write exactly one of `format`, `key` and `template`",
    }])
}

pub(super) fn ttl() -> Value {
    between(limits::MIN_TTL, limits::MAX_TTL)
}

pub(super) fn overlap() -> Value {
    between(std::time::Duration::ZERO, limits::MAX_OVERLAP)
}

fn between(min: std::time::Duration, max: std::time::Duration) -> Value {
    let (min, max) = (span::format(min), span::format(max));
    json!([{
        "rule": format!("duration(self) >= duration('{min}') && duration(self) <= duration('{max}')"),
        "message": format!("it is out of bounds: write {min} to {max}"),
    }])
}
