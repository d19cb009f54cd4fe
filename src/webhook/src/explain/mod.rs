//! `esi-webhook explain`: what the webhook would make of a pod, without a cluster.
//!
//! ```text
//!  files ──input──▶ objects ─┬─ Injections ──▶ World ──────────┐
//!                            └─ Pods, workloads ──pods──▶ pods ─┴─[admit]──▶ outcomes ──show──▶ text
//! ```
//!
//! It decides nothing itself: the same function answers the API server.

mod error;
mod input;
mod pods;
mod show;
mod yaml;

use std::io::{Read, Write};
use std::path::PathBuf;
use std::sync::Arc;

use esi_core::names::Namespace;
use esi_resources::injection::Injection;
use serde_json::Value;

pub use crate::version::Kubernetes;
pub use error::ExplainError;
pub use show::Output;

use crate::admission::Answer;
use crate::admit::admit;
use crate::config::Configuration;
use crate::json::Json;
use crate::world::{EnvFiles, World};
use input::Document;
use pods::Explained;

/// What to explain.
#[derive(Debug, Clone)]
pub struct Explain {
    /// Manifests; `-` is standard input.
    pub files: Vec<PathBuf>,
    /// The webhook's configuration; the documented example where absent.
    pub config: Option<PathBuf>,
    /// The namespace of objects that name none.
    pub namespace: Namespace,
    /// Of the API server and of all nodes, the minor version of Kubernetes 1.
    pub kubernetes: Kubernetes,
    /// How it is shown.
    pub output: Output,
}

/// Where text comes from and goes to.
pub struct Streams<'a> {
    /// Read where a file is `-`.
    pub input: &'a mut dyn Read,
    /// What is explained.
    pub output: &'a mut dyn Write,
    /// What a person should know besides: notes, warnings, denials.
    pub notes: &'a mut dyn Write,
}

impl std::fmt::Debug for Streams<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Streams").finish_non_exhaustive()
    }
}

/// Explains; whether all pods may be created.
///
/// # Errors
/// If something cannot be read or written, or there is no pod in what was given.
pub fn explain(explain: &Explain, streams: Streams<'_>) -> Result<bool, ExplainError> {
    let Streams {
        input: stdin,
        output,
        notes,
    } = streams;
    let configuration = input::configuration(explain.config.as_deref(), notes)?;
    let documents = input::documents(&explain.files, stdin)?;
    let world = world(&documents, explain, notes)?;
    let pods: Vec<_> = documents
        .iter()
        .map(|document| pods::of(document, &explain.namespace))
        .filter_map(Result::transpose)
        .collect::<Result<_, _>>()?;
    if pods.is_empty() {
        return Err(ExplainError::NoPod);
    }
    let outcomes: Vec<_> = pods
        .into_iter()
        .map(|pod| outcome(pod, &world, &configuration))
        .collect::<Result<_, _>>()?;
    for outcome in &outcomes {
        show::notes(outcome, notes)?;
    }
    show::pods(&outcomes, explain.output, output)?;
    Ok(outcomes
        .iter()
        .all(|outcome| !matches!(outcome.answer, Answer::Denied(_))))
}

/// A pod, what is answered, and what it becomes.
#[derive(Debug)]
struct Outcome {
    explained: Explained,
    answer: Answer,
    after: Value,
}

fn outcome(
    explained: Explained,
    world: &World,
    configuration: &Configuration,
) -> Result<Outcome, ExplainError> {
    let answer = admit(
        &explained.namespace,
        &Json::of(&explained.pod),
        world,
        configuration,
    );
    let mut after = explained.pod.clone();
    if let Answer::Patched { patch, .. } = &answer {
        let operations = patch.operations().map_err(ExplainError::Json)?;
        json_patch::patch(&mut after, &operations).map_err(ExplainError::Patch)?;
    }
    Ok(Outcome {
        explained,
        answer,
        after,
    })
}

/// The cluster as it is told: these injections and no others, one version everywhere.
fn world(documents: &[Document], explain: &Explain, notes: &mut dyn Write) -> Result<World, ExplainError> {
    let capable = explain.kubernetes >= Kubernetes::WITH_ENV_FILES;
    let mut world = World {
        env_files: if capable {
            EnvFiles::Supported
        } else {
            EnvFiles::TooOld {
                what: "the API server".to_owned(),
                version: explain.kubernetes.to_string(),
            }
        },
        restart_rules: explain.kubernetes >= Kubernetes::WITH_RESTART_RULES,
        ..World::default()
    };
    for document in documents.iter().filter(|document| document.is_injection()) {
        let read = Injection::from_object(&document.object, &explain.namespace);
        let identity = document.identity(&explain.namespace)?;
        if let Err(error) = &read {
            writeln!(notes, "note: {}: {error}", document.title()).map_err(ExplainError::Write)?;
        }
        let injection = read.map(Arc::new).map_err(|error| error.to_string());
        if world.injections.insert(identity, injection).is_some() {
            return Err(ExplainError::Twice(document.title()));
        }
    }
    Ok(world)
}

#[cfg(test)]
mod tests;
