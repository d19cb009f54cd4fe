//! The kinds that are not ours alone: whatever the original product accepted is admitted, and kept.

use std::fs;
use std::path::{Path, PathBuf};

use esi_resources::injection::Injection;
use esi_resources::{crd, manifest};
use rstest::rstest;
use serde_json::{Value, json};

use super::admission::Admission;
use super::support::definition;

#[rstest]
#[case::federation_ref("Authorization", json!({
    "federationRef": {"kind": "KubernetesFederation", "name": "prod"},
    "subject": {"oidc": {"issuer": "https://k", "subject": "system:serviceaccount:demo:app"}},
    "allowedClusterSecretStores": ["vault"],
    "allowedGenerators": [{"name": "db", "kind": "PostgreSql", "namespace": "demo", "apiVersion": "generators.external-secrets.io/v1alpha1"}],
    "allowedGeneratorStates": [{"namespace": "demo"}],
}))]
#[case::spiffe("Authorization", json!({
    "federationRef": {"kind": "SpiffeFederation", "name": "prod"},
    "subject": {"spiffe": {"spiffeID": "spiffe://example.org/shop"}},
    "allowedClusterSecretStores": [], "allowedGenerators": [], "allowedGeneratorStates": [],
}))]
#[case::flat_subject("Authorization", json!({
    "federationRef": {"kind": "KubernetesFederation", "name": "prod"},
    "subject": {"issuer": "https://k", "subject": "system:serviceaccount:demo:app"},
}))]
#[case::only_url("KubernetesFederation", json!({"url": "https://kubernetes.default.svc"}))]
#[case::password("Password", json!({
    "length": 24, "digits": 5, "symbols": 5, "symbolCharacters": "-_$@", "noUpper": false, "allowRepeat": true,
    "secretKeys": ["a", "b"], "encoding": "base64url",
}))]
#[case::uuid("UUID", json!({}))]
#[case::fake("Fake", json!({"controller": "x", "data": {"a": "b"}}))]
#[case::postgresql("PostgreSQL", json!({
    "database": "postgres", "host": "db", "port": "5432",
    "auth": {"username": "admin", "password": {"name": "db-admin", "key": "password", "namespace": "demo"}},
    "user": {
        "username": "app", "suffixSize": 8, "roles": ["read"], "destructiveCleanup": false, "reassignTo": "owner",
        "attributes": [{"name": "SUPERUSER"}, {"name": "CONNECTION_LIMIT", "value": "3"}],
    },
    "cleanupPolicy": {"type": "idle", "idleTimeout": "1h", "gracePeriod": "5m", "activityTrackingInterval": "2s"},
}))]
#[case::port_as_number("PostgreSQL", json!({
    "host": "db", "port": 5432, "auth": {"username": "admin", "password": {"name": "db-admin", "key": "password"}},
}))]
#[case::vault("VaultDynamicSecret", json!({
    "controller": "x", "method": "POST", "path": "pki/issue/web", "resultType": "Auth", "allowEmptyResponse": true,
    "parameters": {"common_name": "a", "ttl": 5, "list": [1, {"a": null}]}, "getParameters": {"version": ["1"]},
    "retrySettings": {"maxRetries": 5, "retryInterval": "10s"},
    "provider": {
        "server": "https://vault", "path": "kv", "version": "v2", "namespace": "team", "caBundle": "aGVsbG8=",
        "caProvider": {"type": "ConfigMap", "name": "ca", "key": "ca.crt", "namespace": "demo"},
        "headers": {"X-A": "b"}, "forwardInconsistent": true, "readYourWrites": true,
        "auth": {"kubernetes": {"mountPath": "kubernetes", "role": "app", "serviceAccountRef": {"name": "vault", "audiences": ["vault"]}}},
    },
}))]
#[case::vault_token_without_a_key("VaultDynamicSecret", json!({
    "path": "a", "provider": {"server": "https://vault", "auth": {"tokenSecretRef": {"name": "token"}}},
}))]
#[case::vault_ways_that_only_the_original_has("VaultDynamicSecret", json!({
    "path": "a",
    "provider": {
        "server": "https://vault", "tls": {"certSecretRef": {"name": "a"}}, "checkAndSet": {"required": true},
        "auth": {"ldap": {"path": "ldap", "username": "a", "secretRef": {"name": "b", "key": "c"}}, "iam": {"vaultRole": "a"}},
    },
}))]
fn what_the_original_accepted_is_admitted(#[case] kind: &str, #[case] spec: Value) {
    let object = json!({"apiVersion": "x/v1alpha1", "kind": kind, "metadata": {"name": "a"}, "spec": spec});
    assert_eq!(Admission::of(kind).refusals(&object), [""; 0]);
}

#[rstest]
#[case("Authorization", "Cluster", "federation.external-secrets.io")]
#[case("KubernetesFederation", "Cluster", "identity.federation.external-secrets.io")]
#[case("Password", "Namespaced", "generators.external-secrets.io")]
#[case("PostgreSQL", "Namespaced", "generators.external-secrets.io")]
#[case("Injection", "Namespaced", "esi.external-secrets.io")]
fn each_kind_is_in_its_group_and_scope(#[case] kind: &str, #[case] scope: &str, #[case] group: &str) {
    let spec = &definition(kind).definition["spec"];
    assert_eq!((&spec["scope"], &spec["group"]), (&json!(scope), &json!(group)));
}

#[test]
fn an_uninstallation_keeps_what_others_may_use_and_a_status_of_theirs_is_kept_whole() {
    for crd in crd::all() {
        let shared = crd.definition["spec"]["names"]["kind"] != "Injection";
        let keep = crd.definition["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep";
        assert_eq!(keep, shared, "{}", crd.name);
        let status =
            &crd.definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["status"];
        assert_eq!(
            status["x-kubernetes-preserve-unknown-fields"] == true,
            shared,
            "{}",
            crd.name
        );
        assert!(status["properties"]["conditions"].is_object(), "{}", crd.name);
    }
}

#[test]
fn every_example_is_admitted() {
    let kinds: Vec<String> = crd::all()
        .iter()
        .map(|crd| {
            crd.definition["spec"]["names"]["kind"]
                .as_str()
                .unwrap()
                .to_owned()
        })
        .collect();
    let mut seen = 0;
    for file in files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/examples")) {
        for example in manifest::read(&fs::read_to_string(&file).unwrap()).unwrap() {
            let kind = example.object["kind"].as_str().unwrap();
            if kinds.iter().any(|known| known == kind) {
                let refusals = Admission::of(kind).refusals(&example.object);
                assert_eq!(refusals, [""; 0], "{}:{}", file.display(), example.line);
                seen += 1;
            }
            if kind == "Injection" {
                assert_eq!(
                    Injection::from_object(&example.object, &"other".parse().unwrap()).err(),
                    None
                );
            }
        }
    }
    assert!(seen >= 5, "{seen} examples were found");
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let (folders, files): (Vec<_>, Vec<_>) = entries.partition(|path| path.is_dir());
    let below = folders.iter().flat_map(|folder| self::files(folder));
    let yaml = files
        .into_iter()
        .filter(|path| path.extension().is_some_and(|end| end == "yaml"));
    yaml.chain(below).collect()
}
