use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use esi_core::names::{GeneratorRef, Namespace, ObjectName};
use esi_core::{
    Ends, Handle, InstallationId, Instance, Intent, LeaseId, NoCheckpoint, SecretBytes, Workload, chain,
};
use esi_resources::generator::{FakeSpec, GeneratorSpec, SecretKeySelector, UuidSpec};

use super::{BuildContext, Generators, Secrets};
use crate::error::GeneratorError;
use crate::port::{IssueContext, RecordError, Recorder};

/// Holds `platform/admin` with the key `password`.
struct OneSecret;

impl Secrets for OneSecret {
    fn get(&self, namespace: &Namespace, name: &ObjectName, key: &str) -> Option<SecretBytes> {
        (namespace.as_str() == "platform" && name.as_str() == "admin" && key == "password")
            .then(|| SecretBytes::from("hunter2"))
    }
}

#[derive(Debug)]
struct NothingToRecord;

#[async_trait]
impl Recorder for NothingToRecord {
    async fn record(&self, _handle: Handle) -> Result<(), RecordError> {
        Err(RecordError("nothing should be recorded".into()))
    }
}

fn generators() -> Generators {
    Generators::new(Arc::new(NoCheckpoint))
}

fn reference() -> GeneratorRef {
    "Fake/platform/shop".parse().unwrap()
}

fn selector(namespace: Option<&str>, key: &str) -> SecretKeySelector {
    SecretKeySelector {
        name: "admin".parse().unwrap(),
        key: key.to_owned(),
        namespace: namespace.map(str::to_owned),
    }
}

/// What a reference in a manifest of the namespace `platform` points to.
fn resolve(selector: &SecretKeySelector) -> Result<SecretBytes, GeneratorError> {
    let generators = generators();
    BuildContext {
        reference: &reference(),
        annotations: &BTreeMap::new(),
        secrets: &OneSecret,
        checkpoint: &generators.checkpoint,
    }
    .secret("spec.auth.password", selector)
}

#[test]
fn a_secret_is_found_in_the_generators_own_namespace() {
    assert_eq!(resolve(&selector(None, "password")).unwrap().expose(), b"hunter2");
    assert_eq!(
        resolve(&selector(Some("platform"), "password")).unwrap().expose(),
        b"hunter2"
    );
}

#[test]
fn a_reference_into_another_namespace_is_refused_and_says_what_to_do() {
    let error = resolve(&selector(Some("kube-system"), "password")).unwrap_err();
    assert!(
        matches!(
            error,
            GeneratorError::Misconfigured {
                field: "spec.auth.password",
                ..
            }
        ),
        "{error:?}"
    );
    assert!(chain(&error).contains("remove `namespace`"), "{}", chain(&error));
}

#[test]
fn a_missing_key_is_named_in_the_source_and_the_field_in_public() {
    let error = resolve(&selector(None, "passwort")).unwrap_err();
    assert!(error.to_string().contains("spec.auth.password"), "{error}");
    assert!(!error.to_string().contains("passwort"), "{error}");
    assert!(
        chain(&error).contains("platform/admin has no key `passwort`"),
        "{}",
        chain(&error)
    );
}

#[tokio::test]
async fn a_local_credential_lives_as_long_as_asked_and_only_expires() {
    let specs = [
        GeneratorSpec::Uuid(UuidSpec {}),
        GeneratorSpec::Fake(FakeSpec {
            controller: None,
            data: BTreeMap::new(),
        }),
    ];
    for spec in specs {
        let generator = generators()
            .build(&spec, &BTreeMap::new(), &reference(), &OneSecret)
            .unwrap();
        let issued = generator
            .issue(&IssueContext {
                intent: &Intent {
                    installation: InstallationId::random(),
                    lease: LeaseId::random(),
                },
                workload: &Workload {
                    cluster: "prod".parse().unwrap(),
                    namespace: "shop".parse().unwrap(),
                    service_account: "web".parse().unwrap(),
                    instance: Instance::Client {
                        id: "ci".parse().unwrap(),
                    },
                    node: None,
                },
                ttl: Duration::from_secs(60),
                deadline: Duration::from_secs(1),
                recorder: &NothingToRecord,
            })
            .await
            .unwrap();
        assert_eq!(issued.expires_in, Duration::from_secs(60));
        assert_eq!(issued.ends, Ends::AtExpiry);
        assert!(issued.renewable && issued.max_expires_in.is_none());
    }
}
