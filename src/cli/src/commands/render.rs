//! `render`: what a plan makes of given values, without a network.

use std::collections::BTreeMap;

use esi_core::names::BindingName;
use esi_core::{Credential, Generation, Plan, SecretBytes};
use esi_render::Rendered;

use crate::app::print;
use crate::args::Flag;
use crate::config::{ConfigError, Settings, read_plans};
use crate::deliver::{DeliverError, Delivery};
use crate::exit::{Exit, Failure};

/// Most bytes of a file of values: a credential's own bound, and room for JSON's escapes.
const MAX_VALUES_BYTES: usize = 4 * 1024 * 1024;

/// Writes below `--out`, or lists what would be written.
///
/// # Errors
/// If plans or values are not valid, do not fit each other, or cannot be written.
pub(crate) fn render(settings: &Settings<'_>) -> Result<u8, Failure> {
    let plans = read_plans(settings)?;
    let credential = values(settings)?;
    let mut rendered = Vec::with_capacity(plans.len());
    for plan in &plans {
        let outputs = esi_render::render(plan, &credential).map_err(|error| undelivered(plan, error))?;
        rendered.push((plan, outputs));
    }
    let show = settings.is_typed(Flag::Show);
    let lists: Vec<SecretBytes> = rendered
        .iter()
        .map(|(plan, outputs)| list(&plan.binding, outputs, show))
        .collect();
    if let Some(out) = settings.get(Flag::Out) {
        let mut delivery = Delivery::new(out.path().to_owned(), Some(out.path().to_owned()));
        delivery
            .make_volumes(&plans)
            .map_err(|(binding, source)| Failure::Deliver { binding, source })?;
        for (plan, outputs) in rendered {
            delivery
                .prepare(plan, outputs)
                .and_then(|outputs| delivery.write(&plan.binding, Generation::FIRST, &outputs))
                .map_err(|error| undelivered(plan, error))?;
        }
    }
    for list in lists {
        print(list.expose())?;
    }
    Ok(Exit::Done.code())
}

/// The credential in `--values`. Nothing of its content goes into an error.
fn values(settings: &Settings<'_>) -> Result<Credential, ConfigError> {
    let setting = settings
        .get(Flag::Values)
        .ok_or_else(|| ConfigError::new("--values", "it is missing: name a JSON file with the credential"))?;
    let text = SecretBytes::from(setting.file_text(MAX_VALUES_BYTES)?);
    let values: BTreeMap<String, String> = serde_json::from_slice(text.expose()).map_err(|error| {
        setting.refuse(format!(
            "line {} column {}: write one JSON object whose values are strings",
            error.line(),
            error.column()
        ))
    })?;
    let values = values
        .into_iter()
        .map(|(key, value)| (key, SecretBytes::from(value)))
        .collect();
    Credential::new(values).map_err(|error| setting.refuse(error))
}

/// One line for each output, with its content below it where it is to be shown.
fn list(binding: &BindingName, outputs: &Rendered, show: bool) -> SecretBytes {
    let files = outputs.files.iter().map(|file| {
        let name = format!("file {binding}/{} {}", file.path, file.mode);
        (name, &file.content)
    });
    let variables = outputs
        .variables
        .iter()
        .map(|variable| (format!("variable {}", variable.name), &variable.value));
    let mut text = Vec::new();
    for (name, content) in files.chain(variables) {
        text.extend_from_slice(format!("{name} {} bytes\n", content.len()).as_bytes());
        if show {
            text.extend_from_slice(content.expose());
            text.push(b'\n');
        }
    }
    SecretBytes::new(text)
}

fn undelivered(plan: &Plan, source: impl Into<DeliverError>) -> Failure {
    Failure::Deliver {
        binding: plan.binding.clone(),
        source: source.into(),
    }
}
