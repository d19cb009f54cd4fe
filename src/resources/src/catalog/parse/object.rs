//! One object's content, read strictly: what is not known is refused.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};

use super::class::Class;
use super::{Identity, secret};
use crate::authorization::{self, Authorization};
use crate::catalog::snapshot::SecretData;
use crate::federation::{self, KubernetesFederation};
use crate::generator::GeneratorSpec;
use crate::manifest::yaml::{self, Fault};
use crate::pem;

/// A valid object. Which one it is, the document says.
#[derive(Debug)]
pub(in crate::catalog) enum Object {
    Generator {
        annotations: BTreeMap<String, String>,
        spec: GeneratorSpec,
    },
    Authorization(Authorization),
    Federation(KubernetesFederation),
    Secret(SecretData),
    /// Of a kind that this version does not serve: only that it is there is known.
    Unsupported,
}

/// A custom resource. `status` is the cluster's and ignored; anything else beside `spec` is a mistake.
#[derive(Deserialize)]
#[serde(
    deny_unknown_fields,
    rename_all = "camelCase",
    bound = "M: DeserializeOwned, S: DeserializeOwned"
)]
struct Resource<M, S> {
    #[serde(rename = "apiVersion")]
    _api_version: IgnoredAny,
    #[serde(rename = "kind")]
    _kind: IgnoredAny,
    metadata: M,
    spec: S,
    #[serde(default, rename = "status")]
    _status: Option<IgnoredAny>,
}

#[derive(Deserialize)]
struct Annotated {
    #[serde(default)]
    annotations: Option<BTreeMap<String, String>>,
}

pub(super) fn read(identity: &Identity, class: &Class, text: &str) -> Result<Object, Fault> {
    match (identity, class) {
        (_, Class::Unsupported(_)) | (Identity::ClusterGenerator(_), _) => Ok(Object::Unsupported),
        (Identity::Generator(reference), _) => {
            let (annotations, spec) = generator(reference.kind.as_str(), text)?;
            if let Some(other) = spec.foreign_namespace(&reference.namespace) {
                let message = format!(
                    "it names the namespace `{other}`; a generator reads Secrets of its own namespace only"
                );
                return Err(Fault::new(None, &message));
            }
            // Tools write an empty one where they mean none.
            if let Some(bundle) = spec.ca_bundle().filter(|bundle| !bundle.trim().is_empty()) {
                pem::read(bundle).map_err(|problem| Fault::new(None, problem))?;
            }
            Ok(Object::Generator { annotations, spec })
        }
        (Identity::Authorization(name), _) => {
            let resource: Resource<IgnoredAny, authorization::Spec> = yaml::read(text)?;
            Ok(Object::Authorization(resource.spec.named(name.clone())))
        }
        (Identity::Federation(name), _) => {
            let resource: Resource<IgnoredAny, federation::Spec> = yaml::read(text)?;
            Ok(Object::Federation(resource.spec.named(name.clone())))
        }
        (Identity::Secret(_), _) => secret::read(text).map(Object::Secret),
    }
}

fn generator(kind: &str, text: &str) -> Result<(BTreeMap<String, String>, GeneratorSpec), Fault> {
    match kind {
        "Fake" => resource(text, GeneratorSpec::Fake),
        "Password" => resource(text, GeneratorSpec::Password),
        "PostgreSQL" => resource(text, |spec| GeneratorSpec::PostgreSql(Box::new(spec))),
        "VaultDynamicSecret" => resource(text, |spec| GeneratorSpec::VaultDynamicSecret(Box::new(spec))),
        "UUID" => resource(text, |spec: Option<_>| {
            GeneratorSpec::Uuid(spec.unwrap_or_default())
        }),
        // `kind::SERVED` and this list are the same; a test holds them together.
        _ => Err(Fault::new(None, "this version does not serve the kind")),
    }
}

fn resource<S: DeserializeOwned>(
    text: &str,
    spec: impl FnOnce(S) -> GeneratorSpec,
) -> Result<(BTreeMap<String, String>, GeneratorSpec), Fault> {
    let resource: Resource<Annotated, S> = yaml::read(text)?;
    Ok((
        resource.metadata.annotations.unwrap_or_default(),
        spec(resource.spec),
    ))
}
