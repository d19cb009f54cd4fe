//! Parsed files and the snapshot before, to the next snapshot: a function of values.
//!
//! What holds when something is broken is said at [the catalog](super). In short: grants only come from what is
//! right now; generators and secrets that are broken now come from before.

mod dangling;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use esi_core::names::GeneratorRef;

use super::parse::{Document, Identity, Object, ParsedFile};
use super::problem::Problem;
use super::snapshot::{GeneratorDocument, Held, SecretData, SecretName, Snapshot};
use crate::federation::KubernetesFederation;

/// Everything that was read.
#[derive(Debug, Default)]
pub(super) struct Reading {
    /// In the order of their paths.
    pub(super) files: Vec<ParsedFile>,
    /// Why there may be files that were not read: then all of the directory is as torn as a torn file.
    pub(super) incomplete: Vec<Problem>,
}

/// The next snapshot. `own` are the federations that the server itself vouches for.
pub(super) fn merge(previous: &Snapshot, reading: Reading, own: &[KubernetesFederation]) -> Snapshot {
    let mut next = Snapshot {
        federations: own.to_vec(),
        revision: previous.revision + 1,
        ..Snapshot::default()
    };
    let all_torn = !reading.incomplete.is_empty();
    next.problems = reading.incomplete;
    let torn: BTreeSet<Arc<Path>> = torn(&reading.files);
    let seen = places(&reading.files, own);
    for file in reading.files {
        next.problems.extend(file.problems);
        next.notices.extend(file.notices);
        for document in file.documents {
            if let Some(first) = seen.get(&document.identity).and_then(Place::conflict) {
                next.problems.extend(duplicate(&document, &file.path, first));
                next.keep(previous, &document.identity, &file.path);
            } else {
                next.take(previous, document, &file.path, file.torn || all_torn);
            }
        }
    }
    next.keep_torn(previous, |origin| all_torn || torn.contains(origin), &seen);
    next.authorizations.sort_by(|a, b| a.name.cmp(&b.name));
    next.federations.sort_by(|a, b| a.name.cmp(&b.name));
    next.problems.sort();
    next.notices.sort();
    next.dangling = dangling::dangling(&next, &seen);
    next
}

/// Where an object is stated first, and whether it is stated again.
struct Place {
    /// Absent where the server itself brings it.
    first: Option<(Arc<Path>, u64)>,
    again: bool,
}

impl Place {
    fn conflict(&self) -> Option<&Self> {
        self.again.then_some(self)
    }
}

fn places(files: &[ParsedFile], own: &[KubernetesFederation]) -> BTreeMap<Identity, Place> {
    let mut places: BTreeMap<Identity, Place> = BTreeMap::new();
    for federation in own {
        let place = Place {
            first: None,
            again: false,
        };
        places.insert(Identity::Federation(federation.name.clone()), place);
    }
    for file in files {
        for document in &file.documents {
            places
                .entry(document.identity.clone())
                .and_modify(|place| place.again = true)
                .or_insert_with(|| Place {
                    first: Some((Arc::clone(&file.path), document.line)),
                    again: false,
                });
        }
    }
    places
}

/// The problem of every place but the first, which the others name.
fn duplicate(document: &Document, path: &Arc<Path>, place: &Place) -> Option<Problem> {
    let message = match &place.first {
        Some((first, line)) if first == path && *line == document.line => return None,
        Some((first, line)) => format!(
            "it is there already at {}:{line}: neither holds until one is removed",
            first.display()
        ),
        None => "the server itself brings one of this name: this one does not hold".to_owned(),
    };
    let object = Some(document.identity.to_string());
    Some(Problem::new(path.as_ref(), Some(document.line), object, &message))
}

fn torn(files: &[ParsedFile]) -> BTreeSet<Arc<Path>> {
    let torn = files.iter().filter(|file| file.torn);
    torn.map(|file| Arc::clone(&file.path)).collect()
}

impl Snapshot {
    fn take(&mut self, previous: &Self, document: Document, path: &Arc<Path>, torn: bool) {
        let Document { identity, object, .. } = document;
        match (object, identity) {
            (Some(Object::Generator { annotations, spec }), Identity::Generator(reference)) => {
                let document = GeneratorDocument {
                    reference: reference.clone(),
                    annotations,
                    spec,
                    stale: false,
                };
                self.generators.insert(reference, held(document, path));
            }
            (Some(Object::Secret(data)), Identity::Secret(name)) => {
                self.secrets.insert(name, held(data, path));
            }
            (Some(Object::Authorization(authorization)), _) if !torn => {
                self.authorizations.push(authorization);
            }
            (Some(Object::Federation(federation)), _) if !torn => self.federations.push(federation),
            (Some(Object::Unsupported), Identity::Generator(reference)) => {
                self.unsupported.insert(reference);
            }
            (Some(Object::Unsupported), Identity::ClusterGenerator(name)) => {
                self.unsupported_cluster.insert(name);
            }
            (None, identity) => self.keep(previous, &identity, path),
            // Authorizations and federations of a torn file: withdrawn.
            _ => {}
        }
    }

    /// Keeps the last good form of a broken object, where it may be kept.
    fn keep(&mut self, previous: &Self, identity: &Identity, path: &Arc<Path>) {
        match identity {
            Identity::Generator(reference) => {
                if let Some(before) = previous.generators.get(reference) {
                    self.keep_generator(reference, &before.value, path);
                }
            }
            Identity::Secret(name) => {
                if let Some(before) = previous.secrets.get(name) {
                    self.keep_secret(name, &before.value, path);
                }
            }
            Identity::Authorization(_) | Identity::Federation(_) | Identity::ClusterGenerator(_) => {}
        }
    }

    /// Keeps what came from a torn file and is stated nowhere now.
    fn keep_torn(
        &mut self,
        previous: &Self,
        torn: impl Fn(&Arc<Path>) -> bool,
        stated: &BTreeMap<Identity, Place>,
    ) {
        for (reference, before) in &previous.generators {
            let identity = Identity::Generator(reference.clone());
            if torn(&before.origin) && !stated.contains_key(&identity) {
                self.keep_generator(reference, &before.value, &before.origin);
            }
        }
        for (name, before) in &previous.secrets {
            if torn(&before.origin) && !stated.contains_key(&Identity::Secret(name.clone())) {
                self.keep_secret(name, &before.value, &before.origin);
            }
        }
    }

    fn keep_generator(&mut self, reference: &GeneratorRef, before: &GeneratorDocument, path: &Arc<Path>) {
        let document = GeneratorDocument {
            stale: true,
            ..before.clone()
        };
        self.generators.insert(reference.clone(), held(document, path));
    }

    fn keep_secret(&mut self, name: &SecretName, before: &Arc<SecretData>, path: &Arc<Path>) {
        let kept = Held {
            value: Arc::clone(before),
            origin: Arc::clone(path),
        };
        self.secrets.insert(name.clone(), kept);
    }
}

fn held<T>(value: T, path: &Arc<Path>) -> Held<T> {
    Held {
        value: Arc::new(value),
        origin: Arc::clone(path),
    }
}
