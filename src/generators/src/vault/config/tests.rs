use std::collections::BTreeMap;
use std::sync::Arc;

use esi_core::names::{Namespace, ObjectName};
use esi_core::{NoCheckpoint, SecretBytes, chain};
use esi_resources::generator::GeneratorSpec;
use serde_json::{Value, json};

use crate::build::{Generators, Secrets};
use crate::error::GeneratorError;

/// Every key of every Secret has the value that the test gives.
struct Every(&'static str);

impl Secrets for Every {
    fn get(&self, _namespace: &Namespace, _name: &ObjectName, _key: &str) -> Option<SecretBytes> {
        Some(SecretBytes::from(self.0))
    }
}

fn build_with(secret: &'static str, annotations: &[(&str, &str)], spec: Value) -> Result<(), GeneratorError> {
    let annotations = annotations
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect::<BTreeMap<_, _>>();
    Generators::new(Arc::new(NoCheckpoint))
        .build(
            &GeneratorSpec::VaultDynamicSecret(serde_json::from_value(spec).unwrap()),
            &annotations,
            &"VaultDynamicSecret/platform/shop".parse().unwrap(),
            &Every(secret),
        )
        .map(drop)
}

/// A manifest that is right, with one part of it replaced.
fn spec(pointer: &str, value: Value) -> Value {
    let mut spec = json!({
        "path": "database/creds/shop",
        "method": "GET",
        "provider": {
            "server": "https://vault.example:8200",
            "namespace": "team1",
            "caBundle": "",
            "headers": {},
            "auth": {"tokenSecretRef": {"name": "vault", "key": "token"}},
        },
    });
    *spec.pointer_mut(pointer).unwrap() = value;
    spec
}

/// The field that is wrong, with what is wrong with it.
fn problem(pointer: &str, value: Value) -> (String, String) {
    let error = build_with("hunter2", &[], spec(pointer, value)).unwrap_err();
    let GeneratorError::Misconfigured { field, .. } = &error else {
        panic!("{error:?}")
    };
    ((*field).to_owned(), chain(&error))
}

#[test]
fn a_manifest_of_external_secrets_operator_is_taken() {
    build_with("s.token\n", &[], spec("/method", json!("GET"))).unwrap();
    let approle =
        json!({"appRole": {"path": "auth/approle/", "roleId": "r", "secretRef": {"name": "v", "key": "s"}}});
    build_with("x", &[], spec("/provider/auth", approle)).unwrap();
    let jwt = json!({"jwt": {"role": "r", "secretRef": {"name": "v", "key": "s"}}});
    build_with("x", &[], spec("/provider/auth", jwt)).unwrap();
}

#[test]
fn each_wrong_field_is_named() {
    let cases = [
        ("/provider/server", json!("vault:8200"), "spec.provider.server"),
        (
            "/provider/server",
            json!("https://u:hunter2@vault"),
            "spec.provider.server",
        ),
        ("/provider/server", json!("ftp://vault"), "spec.provider.server"),
        ("/provider/caBundle", json!("***"), "spec.provider.caBundle"),
        ("/provider/caBundle", json!("bm8gUEVN"), "spec.provider.caBundle"),
        ("/provider/namespace", json!("a\r\nb"), "spec.provider.namespace"),
        (
            "/provider/headers",
            json!({"X-Vault-Token": "x"}),
            "spec.provider.headers",
        ),
        (
            "/provider/headers",
            json!({"X-A": "a\nb"}),
            "spec.provider.headers",
        ),
        ("/provider/auth", json!({}), "spec.provider.auth"),
        ("/path", json!("/"), "spec.path"),
        ("/path", json!("database/../sys/raw"), "spec.path"),
    ];
    for (pointer, value, field) in cases {
        let (found, words) = problem(pointer, value.clone());
        assert_eq!(found, field, "{value}");
        assert!(!words.contains("hunter2"), "{words}");
    }
}

#[test]
fn two_ways_to_log_in_are_refused() {
    let both = json!({
        "tokenSecretRef": {"name": "v", "key": "t"},
        "jwt": {"secretRef": {"name": "v", "key": "s"}},
    });
    assert_eq!(problem("/provider/auth", both).0, "spec.provider.auth");
}

#[test]
fn a_service_account_needs_a_cluster_and_the_message_says_what_to_write_instead() {
    let auth = json!({"kubernetes": {"role": "r", "serviceAccountRef": {"name": "web"}}});
    let (field, words) = problem("/provider/auth", auth);
    assert_eq!(field, "spec.provider.auth.kubernetes.serviceAccountRef");
    assert!(words.contains("secretRef"), "{words}");
}

#[test]
fn a_token_role_goes_with_a_token_only() {
    let role = [("esi.external-secrets.io/vault-token-role", "esi")];
    build_with("s.token", &role, spec("/method", json!("GET"))).unwrap();
    let jwt = json!({"jwt": {"secretRef": {"name": "v", "key": "s"}}});
    assert!(build_with("x", &role, spec("/provider/auth", jwt)).is_err());
}

#[test]
fn a_secret_that_is_no_token_is_refused_and_not_shown() {
    let error = build_with("hunter2\nX-Evil: 1", &[], spec("/method", json!("GET"))).unwrap_err();
    assert!(!format!("{error:?}{}", chain(&error)).contains("hunter2"));
}
