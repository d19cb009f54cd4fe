//! What refers to what is not there.
//!
//! No fault of a document: where manifests come from several hands, what it names may come later. So it breaks
//! nothing, and is told until it is there.

use std::collections::BTreeMap;
use std::path::Path;

use super::Place;
use crate::authorization::Authorization;
use crate::catalog::parse::Identity;
use crate::catalog::problem::Problem;
use crate::catalog::snapshot::Snapshot;

/// The federations' kinds of which this version knows that there may be one.
const UNSERVED_FEDERATIONS: [&str; 3] = ["SpiffeFederation", "OktaFederation", "PingIdentityFederation"];

/// Everything in `snapshot` that refers to what is not there, at the place of what refers.
pub(super) fn dangling(snapshot: &Snapshot, places: &BTreeMap<Identity, Place>) -> Vec<Problem> {
    let mut found = Vec::new();
    for (reference, held) in &snapshot.generators {
        let identity = Identity::Generator(reference.clone());
        let namespace = &reference.namespace;
        for (field, name, key) in held.value.spec.secrets() {
            let missing = match snapshot.secrets.get(&(namespace.clone(), name.clone())) {
                Some(secret) if secret.value.contains_key(key) => continue,
                Some(_) => format!("the key `{key}` of Secret {namespace}/{name}"),
                None => format!("Secret {namespace}/{name}"),
            };
            let message =
                format!("spec.{field} needs {missing}, which is not there: it can mint nothing until it is");
            found.push(problem(&identity, places, &held.origin, &message));
        }
    }
    for authorization in &snapshot.authorizations {
        let identity = Identity::Authorization(authorization.name.clone());
        for (field, missing) in missing(authorization, snapshot) {
            let message =
                format!("spec.{field} names {missing}, which is not there: that has no effect until it is");
            found.push(problem(&identity, places, Path::new(""), &message));
        }
    }
    found.sort();
    found
}

fn missing(authorization: &Authorization, snapshot: &Snapshot) -> Vec<(&'static str, String)> {
    let federation = &authorization.federation;
    let is_there = match federation.kind.as_str() {
        "KubernetesFederation" => snapshot
            .federations
            .iter()
            .any(|there| there.name == federation.name),
        other => UNSERVED_FEDERATIONS.contains(&other),
    };
    let federation = (!is_there).then(|| {
        (
            "federationRef",
            format!("{} {}", federation.kind, federation.name),
        )
    });
    let generators = authorization.allowed_generators.iter();
    let generators = generators
        .filter(|generator| snapshot.generator(generator).is_none() && !snapshot.unsupported(generator))
        .map(|generator| ("allowedGenerators", generator.to_string()));
    federation.into_iter().chain(generators).collect()
}

fn problem(identity: &Identity, places: &BTreeMap<Identity, Place>, origin: &Path, message: &str) -> Problem {
    let stated = places.get(identity).and_then(|place| place.first.as_ref());
    // What a torn file said before is at no line of it now.
    let (file, line) = stated.map_or((origin, None), |(file, line)| (file.as_ref(), Some(*line)));
    Problem::new(file, line, Some(identity.to_string()), message)
}
