//! The kinds, by name.

use super::definition::{Definition, Owner, Scope};
use super::structural;
use crate::generator::{FakeSpec, PasswordSpec, PostgreSqlSpec, UuidSpec, VaultDynamicSecretSpec};
use crate::{authorization, federation, injection};

const GENERATORS: &str = "generators.external-secrets.io";
const FEDERATION: &str = "federation.external-secrets.io";
const IDENTITY: &str = "identity.federation.external-secrets.io";

pub(super) fn all() -> Vec<Definition> {
    let mut all = vec![injection(), authorization(), kubernetes_federation()];
    all.extend(generators());
    all
}

fn injection() -> Definition {
    Definition {
        group: "esi.external-secrets.io",
        kind: "Injection",
        plural: "injections",
        short_names: &["inj"],
        scope: Scope::Namespaced,
        owner: Owner::Ours {
            rules: injection::schema::rules::object(),
        },
        description: "A credential that pods of its namespace can ask for by name, with the annotation \
                      `esi.external-secrets.io/inject: <name>`.",
        columns: &[
            ("Generator", ".spec.source.generator.name"),
            ("Kind", ".spec.source.generator.kind"),
            ("Delivery", ".spec.delivery"),
        ],
        spec: structural::of::<injection::spec::Spec>(),
    }
}

fn authorization() -> Definition {
    Definition {
        group: FEDERATION,
        kind: "Authorization",
        plural: "authorizations",
        short_names: &[],
        scope: Scope::Cluster,
        owner: Owner::Shared,
        description: "Grants a subject of a federation the use of generators and stores. What is not listed is not \
                      granted.",
        columns: &[
            ("Federation", ".spec.federationRef.name"),
            ("Subject", ".spec.subject.oidc.subject"),
            ("SPIFFE ID", ".spec.subject.spiffe.spiffeID"),
        ],
        spec: structural::of::<authorization::Spec>(),
    }
}

fn kubernetes_federation() -> Definition {
    Definition {
        group: IDENTITY,
        kind: "KubernetesFederation",
        plural: "kubernetesfederations",
        short_names: &[],
        scope: Scope::Cluster,
        owner: Owner::Shared,
        description: "A cluster whose service account tokens are believed.",
        columns: &[("URL", ".spec.url"), ("Issuer", ".spec.issuer")],
        spec: structural::of::<federation::Raw>(),
    }
}

fn generators() -> [Definition; 5] {
    let generator = |kind, plural, description, columns, spec| Definition {
        group: GENERATORS,
        kind,
        plural,
        short_names: &[],
        scope: Scope::Namespaced,
        owner: Owner::Shared,
        description,
        columns,
        spec,
    };
    [
        generator(
            "Fake",
            "fakes",
            "The values that it states, for tests and trials. Not a secret: whoever reads it has them.",
            &[],
            structural::of::<FakeSpec>(),
        ),
        generator(
            "Password",
            "passwords",
            "Random text.",
            &[],
            structural::of::<PasswordSpec>(),
        ),
        // A definition has one kind, so in a cluster the name that it first had, `PostgreSql`, is refused by the
        // API server; a cluster that has the older definition keeps it, and its objects are read all the same.
        generator(
            "PostgreSQL",
            "postgresqls",
            "One user of a PostgreSQL server per lease.",
            &[("Host", ".spec.host"), ("Database", ".spec.database")],
            structural::of::<PostgreSqlSpec>(),
        ),
        generator(
            "UUID",
            "uuids",
            "A random UUID (RFC 9562 version 4).",
            &[],
            structural::of::<UuidSpec>(),
        ),
        generator(
            "VaultDynamicSecret",
            "vaultdynamicsecrets",
            "Any path of HashiCorp Vault or OpenBao that answers with a dynamic secret.",
            &[("Server", ".spec.provider.server"), ("Path", ".spec.path")],
            structural::of::<VaultDynamicSecretSpec>(),
        ),
    ]
}
