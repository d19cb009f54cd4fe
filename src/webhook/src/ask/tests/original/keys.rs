//! Every annotation that the original knows, and what becomes of it here.

use super::*;

/// A pod that asks for something, without the annotation in question.
const POD: [(&str, &str); 4] = [
    ("old/federated-server-url", URL),
    ("old/federated-generators", "VaultDynamicSecret/platform/db"),
    ("old/env-vars", "true"),
    ("old/inject-on-env", "DB_USER=db.username"),
];

enum Becomes {
    /// Changes what is asked for, or decides whether anything is.
    Effect,
    /// One warning, which names it and says this.
    Warning(&'static str),
    /// A refusal.
    Refusal(&'static str),
}

use Becomes::{Effect, Refusal, Warning};

/// The original's annotations in the order of its documentation, each with a value that it might have.
const ALL: [(&str, &str, Becomes); 29] = [
    ("externalsecret", "app", Effect),
    ("env-vars", "false", Effect),
    ("file-secrets", "true", Effect),
    ("skip", "true", Effect),
    ("image-pull-secrets", "registry", Warning("spec.imagePullSecrets")),
    ("inject-on-env", "X=db.password", Effect),
    ("inject-on-file", "/secrets/x=db", Effect),
    ("daemon-refresh-interval", "2m", Warning("without polling")),
    ("federated-server-url", "https://eu.example.com", Effect),
    ("federated-auth", "spiffe", Refusal("ask_not_offered")),
    ("federated-generators", "UUID/platform/db", Effect),
    ("federated-store", "vault", Refusal("ask_not_offered")),
    ("federated-token", "/var/run/token", Warning("token of its own")),
    ("federated-ca-crt", "/ca.crt", Warning("configured CA")),
    ("federated-socket-path", "/run/spire.sock", Warning("SPIFFE")),
    ("federated-server-spiffe-id", "spiffe://x/y", Warning("SPIFFE")),
    ("okta-client-id", "id", Warning("Okta")),
    ("okta-private-key", "/key", Warning("Okta")),
    ("okta-domain", "https://example.okta.com", Warning("Okta")),
    ("okta-auth-server", "default", Warning("Okta")),
    ("okta-scopes", "a b", Warning("Okta")),
    ("pingidentity-client-id", "id", Warning("PingIdentity")),
    ("pingidentity-private-key", "/key", Warning("PingIdentity")),
    ("pingidentity-region", "eu", Warning("PingIdentity")),
    ("pingidentity-environment-id", "x", Warning("PingIdentity")),
    ("pingidentity-scopes", "a b", Warning("PingIdentity")),
    (
        "workload-token",
        "eyJhbGciOi",
        Warning("a token stands here in clear"),
    ),
    ("workload-token-path", "/token", Warning("token of its own")),
    ("secretstore", "default", Warning("nothing reads it")),
];

fn pod_with<'a>(name: &'a str, value: &'a str) -> Vec<(&'a str, &'a str)> {
    let others = POD.into_iter().filter(|(other, _)| *other != name);
    others.chain([(name, value)]).collect()
}

#[test]
fn every_annotation_has_an_effect_a_warning_or_a_refusal() {
    for (key, value, becomes) in ALL {
        let name = format!("old/{key}");
        let result = ask_in(&World::default(), &pod_with(&name, value));
        match becomes {
            // It is read as what it is; that it has its effect is specified with the others.
            Effect => {
                let warnings = result
                    .unwrap()
                    .map(|asked| asked.warnings.join("\n"))
                    .unwrap_or_default();
                assert!(
                    !warnings.contains(&format!("/{key}` has no effect")),
                    "{warnings}"
                );
            }
            Warning(said) => {
                let warnings = result.unwrap().unwrap().warnings;
                let [warning] = warnings.as_slice() else {
                    panic!("{key}: {warnings:?}")
                };
                let place = format!("annotation `secretless.externalsecrets.com/{key}` has no effect: ");
                assert!(warning.starts_with(&place) && warning.contains(said), "{warning}");
                assert!(warning.len() <= 256, "{warning}");
            }
            Refusal(reason) => assert_eq!(result.unwrap_err().reason(), reason, "{key}"),
        }
    }
}

#[test]
fn a_warning_does_not_repeat_a_token() {
    let warnings = asked(&pod_with("old/workload-token", "eyJhbGciOi")).warnings;
    assert!(!warnings.join("").contains("eyJ"), "{warnings:?}");
}

#[test]
fn an_annotation_that_nobody_knows_is_told_of() {
    let warnings = asked(&pod_with("old/inject-on-evn", "x")).warnings;
    assert!(
        warnings[0].contains("/inject-on-evn` has no effect: it is not known"),
        "{warnings:?}"
    );
}

#[test]
fn warnings_are_bounded() {
    let names: Vec<String> = (0..500)
        .map(|n| format!("old/x{n}-{}", "é".repeat(300)))
        .collect();
    let pairs: Vec<_> = POD
        .into_iter()
        .chain(names.iter().map(|name| (name.as_str(), "")))
        .collect();
    let warnings = asked(&pairs).warnings;
    assert_eq!(warnings.len(), 32);
    assert!(warnings.iter().all(|warning| warning.chars().count() <= 257));
}
