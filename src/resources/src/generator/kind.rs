//! Names of kinds: which are served, which are only known, and which are the same.

use esi_core::names::{GeneratorRef, Kind};

/// The kinds that this version serves.
pub const SERVED: [&str; 5] = ["Fake", "Password", "PostgreSQL", "UUID", "VaultDynamicSecret"];

/// Kinds of External Secrets Operator and its enterprise fork that this version knows by name only.
pub const UNSUPPORTED: [&str; 24] = [
    "ACRAccessToken",
    "AWSIAMKey",
    "BasicAuth",
    "BeyondtrustWorkloadCredentialsDynamicSecret",
    "CloudsmithAccessToken",
    "ClusterGenerator",
    "ECRAuthorizationToken",
    "Federation",
    "GCRAccessToken",
    "GithubAccessToken",
    "GitlabDeployToken",
    "Grafana",
    "Kafka",
    "MFA",
    "MongoDB",
    "Neo4j",
    "OpenAI",
    "QuayAccessToken",
    "RabbitMQ",
    "SSH",
    "SSHKey",
    "STSSessionToken",
    "SendgridAuthorizationToken",
    "Webhook",
];

/// The name that the enterprise fork first gave to `PostgreSQL`.
const POSTGRESQL_ALIAS: &str = "PostgreSql";

/// The same reference under the kind's one name: a request, an authorization and a manifest may each use
/// either name of a kind, and mean the same object.
#[must_use]
pub fn normalise(reference: GeneratorRef) -> GeneratorRef {
    let kind = canonical(reference.kind);
    GeneratorRef { kind, ..reference }
}

/// The kind's one name.
#[must_use]
pub fn canonical(kind: Kind) -> Kind {
    if kind.as_str() == POSTGRESQL_ALIAS {
        // The literal is a kind; were it not, the alias would stay what it is.
        "PostgreSQL".parse().unwrap_or(kind)
    } else {
        kind
    }
}

/// Whether this version serves the kind, under any of its names.
#[must_use]
pub fn is_served(kind: &Kind) -> bool {
    kind.as_str() == POSTGRESQL_ALIAS || SERVED.contains(&kind.as_str())
}

/// Whether objects of the kind have no namespace.
#[must_use]
pub fn is_cluster_scoped(kind: &Kind) -> bool {
    kind.as_str() == "ClusterGenerator"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_names_of_postgresql_are_one_kind() {
        let old: GeneratorRef = "PostgreSql/demo/db".parse().unwrap();
        assert_eq!(normalise(old).to_string(), "PostgreSQL/demo/db");
        let other: GeneratorRef = "Password/demo/db".parse().unwrap();
        assert_eq!(normalise(other.clone()), other);
    }

    #[test]
    fn every_listed_name_is_a_kind_and_none_is_both_served_and_not() {
        for name in SERVED.iter().chain(&UNSUPPORTED) {
            assert!(name.parse::<Kind>().is_ok(), "{name}");
        }
        assert!(SERVED.iter().all(|name| !UNSUPPORTED.contains(name)));
    }
}
