//! What an object is to this version, by its `apiVersion` and `kind`.

use esi_core::names::Kind;

use crate::authorization;
use crate::federation;
use crate::generator::{self, kind};

/// What an object is to this version.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Class {
    /// A list of objects.
    List,
    /// A generator, its kind under its one name.
    Generator(Kind),
    /// A generator of a kind that is not served.
    Unsupported(Kind),
    Authorization,
    Federation,
    Secret,
    /// Of this product and not served by this version.
    NotServed,
    /// Of this product, and no such thing: what to write instead.
    Unknown(String),
    /// Of somebody else.
    Foreign,
}

const GENERATORS: &str = "generators.external-secrets.io";
const FEDERATION: &str = "federation.external-secrets.io";
const IDENTITY: &str = "identity.federation.external-secrets.io";
const STORES: &str = "external-secrets.io";

pub(super) fn classify(api_version: &str, kind: &str) -> Class {
    if let Some(item) = kind.strip_suffix("List")
        && (item.is_empty() || classify(api_version, item) != Class::Foreign)
    {
        return Class::List;
    }
    let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
    let expected = match group {
        "" => {
            return if kind == "Secret" {
                Class::Secret
            } else {
                Class::Foreign
            };
        }
        STORES if kind == "SecretStore" || kind == "ClusterSecretStore" => return Class::NotServed,
        GENERATORS => generator::API_VERSION,
        FEDERATION => authorization::API_VERSION,
        IDENTITY => federation::API_VERSION,
        _ => return Class::Foreign,
    };
    if version != "v1alpha1" {
        return Class::Unknown(format!("apiVersion: this version reads `{expected}`"));
    }
    match (group, kind) {
        (GENERATORS, _) => generator(kind),
        (FEDERATION, "Authorization") => Class::Authorization,
        (FEDERATION | IDENTITY, "KubernetesFederation") => Class::Federation,
        (FEDERATION, "AuthorizedIdentity")
        | (FEDERATION | IDENTITY, "SpiffeFederation" | "OktaFederation" | "PingIdentityFederation") => {
            Class::NotServed
        }
        (FEDERATION, _) => Class::Unknown(
            "kind: the group has Authorization; KubernetesFederation and its like are in \
             `identity.federation.external-secrets.io/v1alpha1`"
                .to_owned(),
        ),
        _ => Class::Unknown("kind: this version reads KubernetesFederation in this group".to_owned()),
    }
}

fn generator(name: &str) -> Class {
    match name.parse::<Kind>() {
        Ok(kind) if kind::is_served(&kind) => Class::Generator(kind::canonical(kind)),
        Ok(kind) if kind::UNSUPPORTED.contains(&name) => Class::Unsupported(kind),
        Ok(_) if name == "GeneratorState" => Class::NotServed,
        _ => Class::Unknown(format!(
            "kind: there is no such generator; this version serves {}",
            kind::SERVED.join(", ")
        )),
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("v1", "Secret", &Class::Secret)]
    #[case("v1", "ConfigMap", &Class::Foreign)]
    #[case("apps/v1", "Deployment", &Class::Foreign)]
    #[case("apps/v1", "DeploymentList", &Class::Foreign)]
    #[case("v1", "List", &Class::List)]
    #[case("v1", "SecretList", &Class::List)]
    #[case("federation.external-secrets.io/v1alpha1", "AuthorizationList", &Class::List)]
    #[case("federation.external-secrets.io/v1alpha1", "Authorization", &Class::Authorization)]
    #[case("federation.external-secrets.io/v1alpha1", "KubernetesFederation", &Class::Federation)]
    #[case("identity.federation.external-secrets.io/v1alpha1", "KubernetesFederation", &Class::Federation)]
    #[case("identity.federation.external-secrets.io/v1alpha1", "OktaFederation", &Class::NotServed)]
    #[case("external-secrets.io/v1", "SecretStore", &Class::NotServed)]
    #[case("external-secrets.io/v1", "ExternalSecret", &Class::Foreign)]
    #[case("esi.external-secrets.io/v1alpha1", "Injection", &Class::Foreign)]
    fn an_object_is_known_by_its_group_and_kind(
        #[case] api_version: &str,
        #[case] kind: &str,
        #[case] class: &Class,
    ) {
        assert_eq!(&classify(api_version, kind), class);
    }

    #[test]
    fn both_names_of_postgresql_are_one_kind() {
        let one = classify(generator::API_VERSION, "PostgreSQL");
        assert_eq!(classify(generator::API_VERSION, "PostgreSql"), one);
        assert_eq!(one, Class::Generator("PostgreSQL".parse().unwrap()));
    }

    #[test]
    fn a_mistyped_kind_or_version_of_our_own_groups_is_not_foreign() {
        for (version, kind) in [
            (generator::API_VERSION, "Pasword"),
            ("generators.external-secrets.io/v1", "Password"),
            (authorization::API_VERSION, "Authorisation"),
            ("federation.external-secrets.io/v1", "Authorization"),
        ] {
            assert!(matches!(classify(version, kind), Class::Unknown(_)), "{kind}");
        }
    }
}
