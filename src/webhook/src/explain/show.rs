//! What is written.

use std::io::Write;

use serde_json::{Value, json};
use similar::{ChangeTag, TextDiff};

use super::{ExplainError, Outcome, yaml};
use crate::admission::{Answer, Denial};

/// How pods are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Output {
    /// The whole pod, with what is added (`+`) and what is taken away (`-`).
    Diff,
    /// The pod as it is created, in YAML.
    Yaml,
    /// The same in JSON; several pods as a List.
    Json,
    /// The JSON Patch that the API server is sent, one array a pod.
    Patch,
}

/// What is answered besides the pod: for each one line and more.
pub(super) fn notes(outcome: &Outcome, notes: &mut dyn Write) -> Result<(), ExplainError> {
    let title = &outcome.explained.title;
    let mut text = String::new();
    if let Some(template) = outcome.explained.misplaced {
        let place = template.trim_start_matches('/').replace('/', ".");
        text.push_str(&format!(
            "warning: {title}: annotations of its own do nothing: write them into {place}.metadata.annotations\n"
        ));
    }
    match &outcome.answer {
        Answer::Untouched(reason) => text.push_str(&format!("note: {title}: unchanged ({reason})\n")),
        Answer::Patched { warnings, .. } | Answer::Complete { warnings } => {
            for warning in warnings {
                text.push_str(&format!("warning: {title}: {warning}\n"));
            }
        }
        Answer::Denied(Denial { reason, message, .. }) => {
            text.push_str(&format!("denied: {title} ({reason}): {message}\n"));
        }
    }
    notes.write_all(text.as_bytes()).map_err(ExplainError::Write)
}

/// The pods that may be created.
pub(super) fn pods(outcomes: &[Outcome], how: Output, output: &mut dyn Write) -> Result<(), ExplainError> {
    let allowed: Vec<_> = outcomes
        .iter()
        .filter(|outcome| !matches!(outcome.answer, Answer::Denied(_)))
        .collect();
    let text = match how {
        Output::Diff => documents(&allowed, diff)?,
        Output::Yaml => documents(&allowed, |outcome| yaml::write(&outcome.after))?,
        Output::Patch => documents(&allowed, |outcome| pretty(&patch(&outcome.answer)?))?,
        Output::Json => match allowed.as_slice() {
            [] => String::new(),
            [one] => pretty(&one.after)?,
            several => {
                let items: Vec<_> = several.iter().map(|outcome| &outcome.after).collect();
                pretty(&json!({"apiVersion": "v1", "kind": "List", "items": items}))?
            }
        },
    };
    output.write_all(text.as_bytes()).map_err(ExplainError::Write)
}

fn documents(
    outcomes: &[&Outcome],
    write: impl Fn(&Outcome) -> Result<String, ExplainError>,
) -> Result<String, ExplainError> {
    let texts: Vec<_> = outcomes
        .iter()
        .map(|outcome| write(outcome))
        .collect::<Result<_, _>>()?;
    Ok(texts.join("---\n"))
}

/// Every line of the pod, before and after.
fn diff(outcome: &Outcome) -> Result<String, ExplainError> {
    let (before, after) = (yaml::write(&outcome.explained.pod)?, yaml::write(&outcome.after)?);
    let diff = TextDiff::from_lines(&before, &after);
    let lines = diff.iter_all_changes().map(|change| {
        let sign = match change.tag() {
            ChangeTag::Delete => '-',
            ChangeTag::Insert => '+',
            ChangeTag::Equal => ' ',
        };
        format!("{sign} {}", change.value())
    });
    Ok(lines.collect())
}

fn patch(answer: &Answer) -> Result<Value, ExplainError> {
    match answer {
        Answer::Patched { patch, .. } => serde_json::from_slice(patch.as_bytes()).map_err(ExplainError::Json),
        _ => Ok(json!([])),
    }
}

fn pretty(value: &Value) -> Result<String, ExplainError> {
    Ok(serde_json::to_string_pretty(value).map_err(ExplainError::Json)? + "\n")
}
