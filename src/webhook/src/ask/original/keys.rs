//! Every annotation of the original, and what becomes of it. There is no other list of them.

use crate::ask::annotations::Annotations;
use crate::ask::error::AskError;
use crate::ask::text::{MAX_WARNING, plain};

/// What becomes of an annotation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Becomes {
    /// A part of a binding; asks for one where `env-vars` and `file-secrets` are absent.
    Part,
    /// `env-vars`, `file-secrets`, `skip`: decide whether anything is asked for.
    Switch,
    /// Nothing; the user is told why.
    Nothing(&'static str),
    /// A refusal: without it the credential would be missing, and nobody would say so.
    Refused(&'static str),
}

/// Most warnings about one pod's annotations: the API server passes on 4 KiB of them.
const MAX_WARNINGS: usize = 32;

const TOKEN: &str = "the pod gets a token of its own, for the configured server only";
const CA: &str = "the server's certificate is checked against the configured CA";
const SPIFFE: &str =
    "it belongs to SPIFFE authentication, and the pod authenticates with its Kubernetes token";
const OKTA: &str = "it belongs to Okta authentication, and the pod authenticates with its Kubernetes token";
const PING: &str =
    "it belongs to PingIdentity authentication, and the pod authenticates with its Kubernetes token";

/// The original's annotations, as its webhook (up to v0.5.1 and after) and its predecessors read them.
pub(super) const KEYS: [(&str, Becomes); 29] = [
    ("externalsecret", Becomes::Part),
    ("env-vars", Becomes::Switch),
    ("file-secrets", Becomes::Switch),
    ("skip", Becomes::Switch),
    (
        "image-pull-secrets",
        Becomes::Nothing("write `spec.imagePullSecrets` into the pod if its images need them"),
    ),
    ("inject-on-env", Becomes::Part),
    ("inject-on-file", Becomes::Part),
    (
        "daemon-refresh-interval",
        Becomes::Nothing("files change when the credential does, without polling"),
    ),
    ("federated-server-url", Becomes::Part),
    ("federated-auth", Becomes::Part),
    ("federated-generators", Becomes::Part),
    (
        "federated-store",
        Becomes::Refused(
            "values of a ClusterSecretStore are not served to pods yet: name a generator in `federated-generators`, and \
             remove this annotation",
        ),
    ),
    ("federated-token", Becomes::Nothing(TOKEN)),
    ("federated-ca-crt", Becomes::Nothing(CA)),
    ("federated-socket-path", Becomes::Nothing(SPIFFE)),
    ("federated-server-spiffe-id", Becomes::Nothing(SPIFFE)),
    ("okta-client-id", Becomes::Nothing(OKTA)),
    ("okta-private-key", Becomes::Nothing(OKTA)),
    ("okta-domain", Becomes::Nothing(OKTA)),
    ("okta-auth-server", Becomes::Nothing(OKTA)),
    ("okta-scopes", Becomes::Nothing(OKTA)),
    ("pingidentity-client-id", Becomes::Nothing(PING)),
    ("pingidentity-private-key", Becomes::Nothing(PING)),
    ("pingidentity-region", Becomes::Nothing(PING)),
    ("pingidentity-environment-id", Becomes::Nothing(PING)),
    ("pingidentity-scopes", Becomes::Nothing(PING)),
    (
        "workload-token",
        Becomes::Nothing("a token stands here in clear, for all who may read pods: end it, and remove it"),
    ),
    ("workload-token-path", Becomes::Nothing(TOKEN)),
    ("secretstore", Becomes::Nothing("nothing reads it")),
];

fn find(key: &str) -> Option<Becomes> {
    KEYS.iter()
        .find(|(known, _)| *known == key)
        .map(|(_, becomes)| *becomes)
}

/// Whether it asks for a credential by itself. A misspelt one might.
pub(super) fn asks(key: &str) -> bool {
    matches!(find(key), None | Some(Becomes::Part | Becomes::Refused(_)))
}

/// Refuses what would silently mean no credential.
pub(super) fn refuse(original: &Annotations<'_>) -> Result<(), AskError> {
    let refused = original.keys().find_map(|key| match find(key) {
        Some(Becomes::Refused(why)) => Some((key, why)),
        _ => None,
    });
    match refused {
        Some((key, why)) => Err(AskError::not_offered(original.place(key), why)),
        None => Ok(()),
    }
}

/// Names what has no effect, each in one warning.
pub(super) fn warn(original: &Annotations<'_>, warnings: &mut Vec<String>) {
    for key in original.keys() {
        if warnings.len() >= MAX_WARNINGS {
            break;
        }
        let why = match find(key) {
            None => "it is not known",
            Some(Becomes::Nothing(why)) => why,
            Some(_) => continue,
        };
        let text = format!("{} has no effect: {why}", original.place(key));
        warnings.push(plain(&text, MAX_WARNING));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_annotation_is_listed_twice() {
        for (index, (key, _)) in KEYS.iter().enumerate() {
            assert!(!KEYS[..index].iter().any(|(other, _)| other == key), "{key}");
        }
    }
}
