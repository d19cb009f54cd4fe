//! Our side: a manifest, a generator, and the ledger's part played by memory.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use esi_core::names::{Namespace, ObjectName};
use esi_core::{Checkpoint, Handle, InstallationId, Instance, Intent, LeaseId, SecretBytes, Workload};
use esi_generators::{
    Generator, GeneratorError, Generators, IssueContext, Issued, Progress, RecordError, Recorder, Secrets,
};
use esi_resources::generator::GeneratorSpec;
use esi_tests::openbao::Api;
use serde_json::{Value, json};

/// The TTL that tests ask for.
pub(crate) const HOUR: Duration = Duration::from_secs(3600);
/// A deadline that is never reached.
pub(crate) const LONG: Duration = Duration::from_secs(20);

/// The values of the Secret `platform/vault`.
#[derive(Debug, Clone, Default)]
pub(crate) struct Known(BTreeMap<String, String>);

impl Known {
    pub(crate) fn with(key: &str, value: &str) -> Self {
        Self(BTreeMap::from([(key.to_owned(), value.to_owned())]))
    }

    /// The values themselves, to look for them where they must not be.
    pub(crate) fn values(&self) -> impl Iterator<Item = &str> {
        self.0.values().map(String::as_str)
    }
}

impl Secrets for Known {
    fn get(&self, namespace: &Namespace, name: &ObjectName, key: &str) -> Option<SecretBytes> {
        let here = namespace.as_str() == "platform" && name.as_str() == "vault";
        self.0
            .get(key)
            .filter(|_| here)
            .map(|value| SecretBytes::from(value.as_str()))
    }
}

/// A manifest under construction.
#[derive(Debug, Clone)]
pub(crate) struct Manifest {
    pub(crate) spec: Value,
    pub(crate) annotations: BTreeMap<String, String>,
    pub(crate) known: Known,
}

impl Manifest {
    /// Reads `path` of `bao`.
    pub(crate) fn new(bao: &Api, path: &str, (auth, known): (Value, Known)) -> Self {
        let provider = json!({"server": bao.address(), "auth": auth, "caBundle": bao.ca()});
        Self {
            spec: json!({"path": path, "provider": provider}),
            annotations: BTreeMap::new(),
            known,
        }
    }

    /// Writes `parameters` to its path.
    pub(crate) fn writing(mut self, parameters: Value) -> Self {
        self.spec["method"] = json!("POST");
        self.spec["parameters"] = parameters;
        self
    }

    /// With another field.
    pub(crate) fn set(mut self, field: &str, value: Value) -> Self {
        self.spec[field] = value;
        self
    }

    /// With another field of `provider`.
    pub(crate) fn set_provider(mut self, field: &str, value: Value) -> Self {
        self.spec["provider"][field] = value;
        self
    }

    /// With a token role.
    pub(crate) fn token_role(mut self, role: &str) -> Self {
        self.annotations.insert(
            "esi.external-secrets.io/vault-token-role".to_owned(),
            role.to_owned(),
        );
        self
    }

    pub(crate) fn build(&self) -> Esi {
        let spec = serde_json::from_value(self.spec.clone()).unwrap();
        let steps = Arc::new(Steps::default());
        let generator = Generators::new(Arc::clone(&steps) as Arc<dyn Checkpoint>)
            .build(
                &GeneratorSpec::VaultDynamicSecret(Box::new(spec)),
                &self.annotations,
                &"VaultDynamicSecret/platform/shop".parse().unwrap(),
                &self.known,
            )
            .unwrap();
        Esi { generator, steps }
    }
}

/// The server's side: a generator and what it reports.
#[derive(Debug)]
pub(crate) struct Esi {
    pub(crate) generator: Arc<dyn Generator>,
    pub(crate) steps: Arc<Steps>,
}

/// What is reported, in order.
#[derive(Debug, Default)]
pub(crate) struct Steps {
    reached: Mutex<Vec<String>>,
    recorded: Mutex<Vec<Handle>>,
    /// Refuse to record.
    pub(crate) full: AtomicBool,
}

impl Steps {
    fn add(&self, step: &str) {
        self.reached.lock().unwrap().push(step.to_owned());
    }

    /// The steps so far; forgets them.
    pub(crate) fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.reached.lock().unwrap())
    }

    /// The handle recorded last.
    pub(crate) fn last_record(&self) -> Option<Handle> {
        self.recorded.lock().unwrap().last().cloned()
    }
}

impl Checkpoint for Steps {
    fn reach(&self, step: &'static str) {
        self.add(step);
    }
}

#[async_trait]
impl Recorder for Steps {
    async fn record(&self, handle: Handle) -> Result<(), RecordError> {
        if self.full.load(Ordering::Relaxed) {
            return Err(RecordError("the disk is full".into()));
        }
        self.add("recorded");
        self.recorded.lock().unwrap().push(handle);
        Ok(())
    }
}

#[async_trait]
impl Progress for Steps {
    async fn access_ended(&self) {
        self.add("access ended");
    }
}

impl Esi {
    pub(crate) async fn issue(&self) -> Result<Issued, GeneratorError> {
        self.issue_for(HOUR, LONG).await
    }

    pub(crate) async fn issue_for(
        &self,
        ttl: Duration,
        deadline: Duration,
    ) -> Result<Issued, GeneratorError> {
        let workload = Workload {
            cluster: "prod".parse().unwrap(),
            namespace: "shop".parse().unwrap(),
            service_account: "web".parse().unwrap(),
            instance: Instance::Client {
                id: "ci".parse().unwrap(),
            },
            node: None,
        };
        self.generator
            .issue(&IssueContext {
                intent: &intent(),
                workload: &workload,
                ttl,
                deadline,
                recorder: &*self.steps,
            })
            .await
    }

    pub(crate) async fn revoke(&self, handle: &Handle) -> Result<(), GeneratorError> {
        self.generator.revoke(&intent(), Some(handle), &*self.steps).await
    }

    pub(crate) async fn renew(
        &self,
        handle: &Handle,
        ttl: Duration,
    ) -> Result<esi_generators::Renewed, GeneratorError> {
        self.generator.renew(&intent(), handle, ttl).await
    }
}

fn intent() -> Intent {
    Intent {
        installation: InstallationId::random(),
        lease: LeaseId::random(),
    }
}

/// One value of a credential as text.
pub(crate) fn value(issued: &Issued, key: &str) -> String {
    let value = issued.credential.get(key).unwrap();
    value.expose_str().unwrap().to_owned()
}
