//! Builders, and the parsers of those who read what is rendered.

pub(crate) mod kubelet;
pub(crate) mod python_dotenv;

use std::collections::BTreeMap;

use esi_core::{Credential, Plan, SecretBytes};
use esi_render::{Fault, RenderError, Trouble};
use serde_json::{Value, json};

pub(crate) fn credential(values: &[(&str, &[u8])]) -> Credential {
    let values = values
        .iter()
        .map(|(key, value)| ((*key).to_owned(), SecretBytes::new(value.to_vec())))
        .collect::<BTreeMap<_, _>>();
    Credential::new(values).unwrap()
}

pub(crate) fn plan(env: &Value, files: &Value) -> Plan {
    let text = json!({
        "version": 1, "binding": "db", "env": env, "files": files,
        "source": {"generator": {"kind": "Fake", "namespace": "shop", "name": "db"}},
    });
    Plan::parse(&text.to_string()).unwrap()
}

/// Renders one file that is described by `output`, such as `{"format": "json"}`.
pub(crate) fn file(mut output: Value, credential: &Credential) -> Result<Vec<u8>, RenderError> {
    output["path"] = json!("out");
    let mut rendered = esi_render::render(&plan(&json!([]), &json!([output])), credential)?;
    Ok(rendered.files.remove(0).content.into_exposed())
}

/// Renders one variable `VALUE` that is described by `output`, such as `{"key": "password"}`.
pub(crate) fn variable(
    mut output: Value,
    credential: &Credential,
) -> Result<esi_render::Variable, RenderError> {
    output["name"] = json!("VALUE");
    let mut rendered = esi_render::render(&plan(&json!([output]), &json!([])), credential)?;
    Ok(rendered.variables.remove(0))
}

/// Renders the variables of a plan which says that every key is one, and has these beside.
pub(crate) fn all_keys(
    env: &Value,
    credential: &Credential,
) -> Result<Vec<esi_render::Variable>, RenderError> {
    let mut plan: Value = serde_json::from_str(&plan(env, &json!([])).to_json()).unwrap();
    plan["envMethod"] = json!("exec");
    plan["allKeys"] = json!(true);
    esi_render::render(&Plan::parse(&plan.to_string()).unwrap(), credential)
        .map(|rendered| rendered.variables)
}

pub(crate) fn template(source: &str, credential: &Credential) -> Result<String, RenderError> {
    file(json!({"template": source}), credential).map(|bytes| String::from_utf8(bytes).unwrap())
}

pub(crate) fn trouble(error: &RenderError) -> Option<Trouble> {
    match error.fault() {
        Fault::Unrepresentable { trouble, .. } => Some(*trouble),
        _ => None,
    }
}
