//! `inject`: Injections of the pod's namespace by name.

use esi_core::names::{NameError, ObjectName};
use esi_resources::injection::{Injection, MountPath};

use super::annotations::Annotations;
use super::check::MAX_BINDINGS;
use super::error::AskError;
use super::grammar::at;
use super::text::Text;
use super::{Binding, Surroundings};
use crate::config::Configuration;

/// The bindings that `inject` names, in its order.
pub(super) fn named(own: &Annotations<'_>, around: Surroundings<'_>) -> Result<Vec<Binding>, AskError> {
    let entries = own.list("inject", MAX_BINDINGS)?.unwrap_or_default();
    // All names are read before any is looked up: a misspelt one is not there yet and never will be.
    let mut names: Vec<ObjectName> = Vec::with_capacity(entries.len());
    for entry in entries {
        let name = entry.parse();
        names.push(name.map_err(|error: NameError| {
            AskError::malformed(at(&own.place("inject"), entry), error.to_string())
        })?);
    }
    let found = names.into_iter().map(|name| find(name, around));
    found.collect()
}

fn find(name: ObjectName, around: Surroundings<'_>) -> Result<Binding, AskError> {
    let key = (around.namespace.clone(), name);
    match around.world.injections.get(&key) {
        Some(Ok(injection)) => Ok(binding(injection, around.config)),
        Some(Err(problem)) => Err(AskError::InjectionBroken {
            injection: key.1,
            namespace: key.0,
            problem: Text::new(problem),
        }),
        None => Err(AskError::InjectionMissing {
            injection: key.1,
            namespace: key.0,
        }),
    }
}

fn binding(injection: &Injection, config: &Configuration) -> Binding {
    let Injection {
        namespace: _,
        name,
        plan,
        delivery,
        mount_path,
        containers,
    } = injection;
    Binding {
        plan: plan.clone(),
        json: plan.to_json(),
        origin: format!("Injection `{name}`"),
        containers: containers.clone(),
        mount_path: mount_path.clone().unwrap_or_else(|| MountPath::of(&plan.binding)),
        delivery: delivery.unwrap_or(config.delivery),
    }
}
