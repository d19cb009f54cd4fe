//! The Secret that holds the authorities.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use esi_core::SecretBytes;
use esi_core::names::{Namespace, ObjectName};
use esi_runtime::tls::{Authority, AuthorityError};
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kube::api::{Api, ObjectMeta, PostParams};
use thiserror::Error;

use super::Authorities;

const CURRENT: &str = "current.pem";
const NEXT: &str = "next.pem";
const PREVIOUS: &str = "previous.pem";

/// Where the Secret is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretPlace {
    /// Its namespace.
    pub namespace: Namespace,
    /// Its name.
    pub name: ObjectName,
}

impl fmt::Display for SecretPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

impl FromStr for SecretPlace {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (namespace, name) = text
            .split_once('/')
            .ok_or_else(|| "write NAMESPACE/NAME".to_owned())?;
        Ok(Self {
            namespace: namespace.parse().map_err(|error| format!("{error}"))?,
            name: name.parse().map_err(|error| format!("{error}"))?,
        })
    }
}

/// What the Secret holds is not what this program wrote.
#[derive(Debug, Error)]
#[error(
    "the Secret {place} is damaged at `{key}`: delete it, and a new certificate authority is begun (pods that ask for \
     credentials are refused until every replica has noticed)"
)]
pub struct Damaged {
    place: SecretPlace,
    key: &'static str,
    #[source]
    source: Option<AuthorityError>,
}

/// A view of the Secret, with what it takes to replace it.
#[derive(Debug)]
pub(super) struct Stored {
    pub(super) authorities: Authorities,
    version: Option<String>,
}

/// The Secret in the cluster.
#[derive(Debug, Clone)]
pub(super) struct Store {
    api: Api<Secret>,
    place: SecretPlace,
}

impl Store {
    pub(super) fn new(client: kube::Client, place: SecretPlace) -> Self {
        Self {
            api: Api::namespaced(client, place.namespace.as_str()),
            place,
        }
    }

    /// What is stored, if anything is.
    pub(super) async fn read(&self) -> Result<Option<Result<Stored, Damaged>>, kube::Error> {
        let secret = self.api.get_opt(self.place.name.as_str()).await?;
        Ok(secret.map(|secret| stored(secret, &self.place)))
    }

    /// Stores the first. False if somebody else has.
    pub(super) async fn create(&self, authorities: &Authorities) -> Result<bool, kube::Error> {
        let secret = self.secret(authorities, None);
        unless_conflict(self.api.create(&PostParams::default(), &secret).await)
    }

    /// Stores these in the place of those. False if somebody else has replaced those.
    pub(super) async fn replace(&self, old: &Stored, authorities: &Authorities) -> Result<bool, kube::Error> {
        let secret = self.secret(authorities, old.version.clone());
        let name = self.place.name.as_str();
        unless_conflict(self.api.replace(name, &PostParams::default(), &secret).await)
    }

    fn secret(&self, authorities: &Authorities, version: Option<String>) -> Secret {
        let Authorities {
            current,
            next,
            previous,
        } = authorities;
        let key = |authority: &Arc<Authority>| ByteString(authority.pem().expose().to_vec());
        let data = [
            Some((CURRENT, key(current))),
            next.as_ref().map(|next| (NEXT, key(next))),
            previous
                .as_ref()
                .map(|previous| (PREVIOUS, ByteString(previous.clone().into_bytes()))),
        ];
        Secret {
            metadata: ObjectMeta {
                name: Some(self.place.name.to_string()),
                resource_version: version,
                labels: Some([("app.kubernetes.io/managed-by".into(), "esi-webhook".into())].into()),
                ..ObjectMeta::default()
            },
            data: Some(
                data.into_iter()
                    .flatten()
                    .map(|(key, value)| (key.to_owned(), value))
                    .collect(),
            ),
            ..Secret::default()
        }
    }
}

fn unless_conflict<T>(written: Result<T, kube::Error>) -> Result<bool, kube::Error> {
    match written {
        Ok(_) => Ok(true),
        Err(kube::Error::Api(status)) if status.code == 409 => Ok(false),
        Err(error) => Err(error),
    }
}

fn stored(secret: Secret, place: &SecretPlace) -> Result<Stored, Damaged> {
    let mut data = secret.data.unwrap_or_default();
    let damaged = |key, source| Damaged {
        place: place.clone(),
        key,
        source,
    };
    let mut authority = |key| {
        let pem = data.remove(key).map(|bytes| SecretBytes::new(bytes.0));
        pem.map(|pem| {
            Authority::parse(pem)
                .map(Arc::new)
                .map_err(|error| damaged(key, Some(error)))
        })
        .transpose()
    };
    let (current, next) = (authority(CURRENT)?, authority(NEXT)?);
    let previous = data
        .remove(PREVIOUS)
        .map(|bytes| String::from_utf8(bytes.0).map_err(|_text| damaged(PREVIOUS, None)))
        .transpose()?;
    Ok(Stored {
        authorities: Authorities {
            current: current.ok_or_else(|| damaged(CURRENT, None))?,
            next,
            previous,
        },
        version: secret.metadata.resource_version,
    })
}
