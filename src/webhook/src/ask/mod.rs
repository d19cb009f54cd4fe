//! What a pod asks for.
//!
//! ```text
//!  annotations ─┬─ esi.external-secrets.io/inject ──injections──▶ ┐
//!               ├─ esi.external-secrets.io/generator, … ──own───▶ ├─ check ──▶ Asked
//!               └─ secretless.externalsecrets.com/… ──original──▶ ┘
//! ```
//!
//! A pod asks under one prefix: annotations of both that say what it gets are refused, since each would be read
//! without the other. `skip: "true"` of ours wins over everything, however broken the rest is; the original's
//! `skip: "true"` is about the original's annotations, and refused beside ours that ask.
//!
//! Invariants: a function of its arguments, which decides nothing about rights (the server does); every length is
//! bounded; no error or warning carries a control character; the URL of a federation server is never taken from a
//! pod; what would silently be no credential is refused with the line to write.

mod annotations;
mod check;
mod draft;
mod error;
mod grammar;
mod injections;
mod original;
mod own;
#[cfg(test)]
mod tests;
mod text;

use esi_core::Plan;
use esi_core::names::{ContainerName, Namespace};
use esi_resources::injection::{Delivery, MountPath};

use self::annotations::Annotations;
pub use self::annotations::{ORIGINAL, OWN};
pub use self::check::{MAX_BINDINGS, MAX_PLANS_BYTES};
pub use self::error::AskError;
use self::original::Wanted;
pub use self::text::Text;
use crate::config::{Configuration, VolumeKind};
use crate::json::Object;
use crate::world::World;

/// Everything that a pod's annotations ask for, resolved and valid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// At least one; no binding twice.
    pub bindings: Vec<Binding>,
    /// What holds for the pod as a whole.
    pub options: Options,
    /// What has no effect and is told to the user in the answer.
    pub warnings: Vec<String>,
}

/// One binding of the pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Binding {
    /// What is fetched, and how it is shown.
    pub plan: Plan,
    /// The plan's JSON: measured, hashed and carried.
    pub json: String,
    /// What messages call the place where it is stated, such as "Injection `db`" or "annotation `…/generator`".
    pub origin: String,
    /// Who gets it: all application containers where empty.
    pub containers: Vec<ContainerName>,
    /// Where they find its files.
    pub mount_path: MountPath,
    /// Who fills its volume.
    pub delivery: Delivery,
}

/// What holds for the pod as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// What carries the files.
    pub volume: VolumeKind,
    /// Where the init container goes; decided by rule where absent.
    pub position: Option<Position>,
}

/// A place among the init containers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Position {
    /// Before all others.
    First,
    /// Directly before the named one.
    Before(ContainerName),
    /// Directly after the named one.
    After(ContainerName),
}

/// What a pod's annotations are read in.
#[derive(Debug, Clone, Copy)]
struct Surroundings<'a> {
    /// The pod's.
    namespace: &'a Namespace,
    world: &'a World,
    config: &'a Configuration,
}

/// What the annotations of a pod ask for; `None` where they ask for nothing, or say `skip`.
///
/// `annotations` is `metadata.annotations` of the pod's raw JSON.
///
/// # Errors
/// See [`AskError`].
pub fn ask(
    namespace: &Namespace,
    annotations: Object<'_>,
    world: &World,
    config: &Configuration,
) -> Result<Option<Asked>, AskError> {
    let around = Surroundings {
        namespace,
        world,
        config,
    };
    let own = Annotations::under(OWN, annotations);
    let original = Annotations::under(ORIGINAL, annotations);
    if own.is_empty() && original.is_empty() || own.flag("skip")? == Some(true) {
        return Ok(None);
    }
    own::known(&own)?;
    let mut warnings = Vec::new();
    let modes = match (own::asks(&own), original::wanted(&original)?) {
        (Some(_), Wanted::Nothing | Wanted::Off) => None,
        (Some(_), Wanted::Unclear(key)) => {
            let (place, how) = (original.place(key), original.name("env-vars"));
            warnings.push(format!("{place} has no effect: the pod does not say `{how}`"));
            None
        }
        (Some(key), Wanted::Skipped) => return Err(mixed(&own, key, &original, "skip")),
        (Some(key), Wanted::On(modes)) => return Err(mixed(&own, key, &original, modes.key())),
        (None, Wanted::On(modes)) => Some(modes),
        (None, Wanted::Unclear(key)) => return Err(original::unclear(&original, key)),
        (None, Wanted::Nothing | Wanted::Off | Wanted::Skipped) => {
            return match own::says_how(&own) {
                None => Ok(None),
                Some(key) => Err(own::nothing_asked(&own, key, namespace)),
            };
        }
    };
    let options = own::options(&own, config)?;
    let modifiers = own::modifiers(&own, config)?;
    let mut bindings = injections::named(&own, around)?;
    match modes {
        Some(modes) => bindings.extend(original::bindings(
            &original,
            modes,
            &own,
            &modifiers,
            around,
            &mut warnings,
        )?),
        None => bindings.extend(own::inline(&own, &modifiers, around, &mut warnings)?),
    }
    check::warnings(&bindings, &mut warnings);
    let asked = Asked {
        bindings,
        options,
        warnings,
    };
    check::check(&asked, config)?;
    Ok(Some(asked))
}

fn mixed(own: &Annotations<'_>, key: &str, original: &Annotations<'_>, other: &str) -> AskError {
    AskError::Mixed {
        own: Text::new(own.name(key)),
        original: Text::new(original.name(other)),
    }
}
