//! `federated-generators`: `Kind/namespace/name`, `Kind/name` (the pod's namespace), and, where the Injections of the
//! pod's namespace tell the rest, `namespace/name` and `name`.

use std::collections::BTreeSet;

use esi_core::names::{BindingName, GeneratorRef, NameError, Namespace, ObjectName};
use esi_core::plan::Source;
use esi_resources::generator::kind;
use esi_resources::injection::Injection;

use crate::ask::Surroundings;
use crate::ask::annotations::Annotations;
use crate::ask::check::MAX_BINDINGS;
use crate::ask::error::AskError;
use crate::ask::grammar::at;

const KEY: &str = "federated-generators";

/// One generator, and the binding that it becomes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Generator<'a> {
    /// What the user wrote.
    pub(super) entry: &'a str,
    pub(super) reference: GeneratorRef,
    /// Its name, with `-` for `.`: a binding becomes part of the name of a volume.
    pub(super) binding: BindingName,
}

/// Reads the list: at least one, no binding twice.
pub(super) fn read<'a>(
    original: &Annotations<'a>,
    around: Surroundings<'_>,
) -> Result<Vec<Generator<'a>>, AskError> {
    let namespace = around.namespace;
    let Some(entries) = original.list(KEY, MAX_BINDINGS)? else {
        return Err(AskError::incomplete(
            original.place("federated-server-url"),
            format!(
                "nothing says what to ask the server for: add `{}: Kind/{namespace}/NAME`",
                original.name(KEY)
            ),
        ));
    };
    let mut generators: Vec<Generator<'a>> = Vec::with_capacity(entries.len());
    for entry in entries {
        let place = || at(&original.place(KEY), entry);
        let reference = reference(entry, around).map_err(|problem| {
            AskError::malformed(
                place(),
                format!(
                    "{problem}: write `Kind/namespace/name`, such as `VaultDynamicSecret/{namespace}/db`"
                ),
            )
        })?;
        let binding = binding(&reference.name).map_err(|problem| AskError::malformed(place(), problem))?;
        if let Some(other) = generators.iter().find(|other| other.binding == binding) {
            return Err(AskError::malformed(
                place(),
                format!(
                    "generator `{}` has the same name, and a binding is called after its generator: remove one, or \
                     state them as Injections",
                    other.reference
                ),
            ));
        }
        generators.push(Generator {
            entry,
            reference,
            binding,
        });
    }
    Ok(generators)
}

fn reference(entry: &str, around: Surroundings<'_>) -> Result<GeneratorRef, String> {
    let told = |error: NameError| error.to_string();
    let parts: Vec<&str> = entry.splitn(4, '/').collect();
    let reference = match parts.as_slice() {
        [name] => inferred(None, &name.parse().map_err(told)?, around)?,
        // A kind starts with an upper-case letter, a namespace never does.
        [kind, name] if kind.starts_with(|c: char| c.is_ascii_uppercase()) => GeneratorRef {
            kind: kind.parse().map_err(told)?,
            namespace: around.namespace.clone(),
            name: name.parse().map_err(told)?,
        },
        [namespace, name] => inferred(
            Some(&namespace.parse().map_err(told)?),
            &name.parse().map_err(told)?,
            around,
        )?,
        _ => entry.parse().map_err(told)?,
    };
    Ok(kind::normalise(reference))
}

/// The one generator of this name that the Injections of the pod's namespace use.
fn inferred(
    namespace: Option<&Namespace>,
    name: &ObjectName,
    around: Surroundings<'_>,
) -> Result<GeneratorRef, String> {
    let pods = around.namespace;
    let used: BTreeSet<&GeneratorRef> = injections(around)
        .filter_map(|injection| match &injection.plan.source {
            Source::Generator(used) => Some(used),
            Source::Secret(_) => None,
        })
        .filter(|used| used.name == *name && namespace.is_none_or(|named| used.namespace == *named))
        .collect();
    let mut used = used.into_iter();
    match (used.next(), used.next()) {
        (Some(one), None) => Ok(one.clone()),
        (None, _) => Err(format!(
            "the kind of generator `{name}` is not known, and no Injection in namespace `{pods}` tells it"
        )),
        (Some(one), Some(other)) => Err(format!(
            "generator `{name}` may be `{one}` or `{other}`, which Injections in namespace `{pods}` use"
        )),
    }
}

/// The valid Injections of the pod's namespace.
fn injections(around: Surroundings<'_>) -> impl Iterator<Item = &Injection> {
    let Surroundings {
        namespace: pods,
        world,
        ..
    } = around;
    // No name sorts before this one.
    let first = "0".parse::<ObjectName>().ok().map(|name| (pods.clone(), name));
    first
        .into_iter()
        .flat_map(|first| world.injections.range(first..))
        .take_while(move |((namespace, _), _)| namespace == pods)
        .filter_map(|(_, injection)| injection.as_deref().ok())
}

fn binding(name: &ObjectName) -> Result<BindingName, String> {
    name.as_str().replace('.', "-").parse().map_err(|error: NameError| {
        format!("{error}; a binding is called after its generator: state it as an Injection with a shorter name")
    })
}
