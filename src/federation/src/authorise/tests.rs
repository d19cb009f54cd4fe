use esi_resources::authorization::FederationRef;

use super::*;

fn principal() -> Principal {
    Principal {
        federation: "prod".parse().unwrap(),
        issuer: "https://issuer".to_owned(),
        subject: "system:serviceaccount:shop:web".to_owned(),
        namespace: "shop".parse().unwrap(),
        service_account: "web".parse().unwrap(),
        pod: None,
        node: None,
    }
}

fn generator(text: &str) -> GeneratorRef {
    text.parse().unwrap()
}

fn authorization(change: impl FnOnce(&mut Authorization)) -> Authorization {
    let mut authorization = Authorization {
        name: "web".parse().unwrap(),
        federation: FederationRef {
            kind: "KubernetesFederation".parse().unwrap(),
            name: "prod".parse().unwrap(),
        },
        subject: Subject::Oidc {
            issuer: "https://issuer".to_owned(),
            subject: "system:serviceaccount:shop:web".to_owned(),
        },
        allowed_generators: vec![generator("PostgreSQL/platform/shop")],
        allowed_cluster_secret_stores: vec![],
        allowed_generator_states: vec![],
        max_ttl: None,
    };
    change(&mut authorization);
    authorization
}

fn is_allowed(change: impl FnOnce(&mut Authorization)) -> bool {
    authorise(
        &[authorization(change)],
        &principal(),
        &generator("PostgreSQL/platform/shop"),
    )
    .is_ok()
}

#[test]
fn what_an_authorization_lists_is_allowed_and_nothing_else_is() {
    assert!(is_allowed(|_| {}));
    let others = [
        "PostgreSQL/platform/other",
        "PostgreSQL/other/shop",
        "VaultDynamicSecret/platform/shop",
    ];
    for other in others {
        assert!(
            authorise(&[authorization(|_| {})], &principal(), &generator(other)).is_err(),
            "{other}"
        );
    }
    assert!(authorise(&[], &principal(), &generator("PostgreSQL/platform/shop")).is_err());
}

#[test]
fn subject_issuer_and_federation_must_all_be_the_callers() {
    let oidc = |issuer: &str, subject: &str| Subject::Oidc {
        issuer: issuer.to_owned(),
        subject: subject.to_owned(),
    };
    assert!(!is_allowed(
        |a| a.subject = oidc("https://issuer", "system:serviceaccount:shop:we")
    ));
    assert!(!is_allowed(
        |a| a.subject = oidc("https://issuer/", "system:serviceaccount:shop:web")
    ));
    assert!(!is_allowed(|a| a.subject = Subject::Spiffe {
        spiffe_id: "spiffe://x/y".to_owned()
    }));
    assert!(!is_allowed(|a| a.federation.name = "other".parse().unwrap()));
    assert!(!is_allowed(
        |a| a.federation.kind = "OktaFederation".parse().unwrap()
    ));
}

#[test]
fn of_several_limits_the_widest_holds() {
    let hours = |hours: u64| Some(Duration::from_secs(hours * 3600));
    let limit = |limits: &[Option<Duration>]| {
        let all: Vec<Authorization> = limits
            .iter()
            .map(|limit| authorization(|a| a.max_ttl = *limit))
            .collect();
        authorise(&all, &principal(), &generator("PostgreSQL/platform/shop"))
            .unwrap()
            .max_ttl
    };
    assert_eq!(limit(&[hours(1)]), hours(1));
    assert_eq!(limit(&[hours(1), hours(3), hours(2)]), hours(3));
    assert_eq!(limit(&[hours(1), None]), None);
}

#[test]
fn a_refusal_says_what_to_ask_for() {
    let text = authorise(&[], &principal(), &generator("Fake/demo/x"))
        .unwrap_err()
        .to_string();
    for part in [
        "Fake/demo/x",
        "https://issuer",
        "system:serviceaccount:shop:web",
        "prod",
    ] {
        assert!(text.contains(part), "{text}");
    }
}
