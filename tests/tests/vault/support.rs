//! What every test of this capability needs: a server, a manifest, and a ledger's part played by memory.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use esi_core::names::{Namespace, ObjectName};
use esi_core::{
    Checkpoint, Handle, InstallationId, Instance, Intent, LeaseId, SecretBytes, SystemClock, Timestamp,
    Workload,
};
use esi_generators::{
    Generator, GeneratorError, Generators, IssueContext, Issued, Progress, RecordError, Recorder, Secrets,
};
use esi_resources::generator::GeneratorSpec;
pub(crate) use esi_tests::eventually;
use esi_tests::openbao::{Api, OpenBao};
use serde_json::{Value, json};

/// What a generator must be able to do besides calling its path.
pub(crate) const OWN_POLICY: &str = r#"
path "sys/leases/renew"           { capabilities = ["update"] }
path "sys/leases/revoke"          { capabilities = ["update"] }
path "auth/token/renew-accessor"  { capabilities = ["update"] }
path "auth/token/revoke-accessor" { capabilities = ["update"] }
"#;

/// The TTL that tests ask for.
pub(crate) const HOUR: Duration = Duration::from_secs(3600);
/// A deadline that is never reached.
pub(crate) const LONG: Duration = Duration::from_secs(20);

/// One server in dev mode for all tests that do not disturb it; each has mounts of its own.
pub(crate) fn shared() -> &'static Api {
    static SHARED: LazyLock<OpenBao> = LazyLock::new(|| OpenBao::dev().unwrap());
    SHARED.api()
}

/// A name that no other test uses.
pub(crate) fn unique(word: &str) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("{word}{}", NEXT.fetch_add(1, Ordering::Relaxed))
}

/// An ssh engine that gives one-time passwords: `<mount>/creds/otp`. Its leases cannot be renewed.
pub(crate) async fn ssh_engine(bao: &Api) -> String {
    let mount = unique("ssh");
    bao.put(&format!("sys/mounts/{mount}"), json!({"type": "ssh"}))
        .await
        .unwrap();
    bao.put(
        &format!("{mount}/roles/otp"),
        json!({"key_type": "otp", "default_user": "web", "cidr_list": "0.0.0.0/0"}),
    )
    .await
    .unwrap();
    mount
}

/// Whether a one-time password works. Asking uses it up.
pub(crate) async fn otp_works(bao: &Api, mount: &str, otp: &str) -> bool {
    bao.put(&format!("{mount}/verify"), json!({"otp": otp}))
        .await
        .is_ok()
}

/// What it takes to issue from [`ssh_engine`] and to end that.
pub(crate) fn otp_policy(mount: &str) -> String {
    format!("path \"{mount}/creds/otp\" {{ capabilities = [\"update\"] }}\n{OWN_POLICY}")
}

/// A one-time password of [`ssh_engine`].
pub(crate) fn otp_manifest(bao: &Api, mount: &str, auth: (Value, Known)) -> Manifest {
    Manifest::new(bao, &format!("{mount}/creds/otp"), auth).writing(json!({"ip": "10.0.0.1"}))
}

/// The leases of an [`ssh_engine`].
pub(crate) async fn leases(bao: &Api, mount: &str) -> Vec<String> {
    bao.list(&format!("sys/leases/lookup/{mount}/creds/otp"))
        .await
        .unwrap()
}

/// The accessors of all tokens that `is` holds for.
async fn tokens(bao: &Api, is: impl Fn(&Value) -> bool) -> Vec<String> {
    let mut found = Vec::new();
    for accessor in bao.list("auth/token/accessors").await.unwrap() {
        // Another test's token may be gone meanwhile.
        let token = bao
            .put("auth/token/lookup-accessor", json!({"accessor": accessor}))
            .await
            .unwrap_or_default();
        if is(&token["data"]) {
            found.push(accessor);
        }
    }
    found
}

/// The tokens that came from one path, such as a login or a token role.
pub(crate) async fn tokens_with_path(bao: &Api, path: &str) -> Vec<String> {
    tokens(bao, |token| token["path"] == path).await
}

/// The logins that may use an [`ssh_engine`].
pub(crate) async fn logins_of(bao: &Api, mount: &str) -> Vec<String> {
    let mut policies = Vec::new();
    for policy in bao.list("sys/policies/acl").await.unwrap() {
        let text = bao.get(&format!("sys/policies/acl/{policy}")).await.unwrap();
        if text["data"]["policy"]
            .as_str()
            .unwrap_or_default()
            .contains(&format!("\"{mount}/"))
        {
            policies.push(json!(policy));
        }
    }
    tokens(bao, |token| {
        token["policies"]
            .as_array()
            .is_some_and(|own| own.iter().any(|policy| policies.contains(policy)))
    })
    .await
}

/// A token that may do `policy`, with the manifest's `auth` and its Secrets.
pub(crate) async fn shared_token(bao: &Api, policy: &str) -> ((Value, Known), String) {
    let name = unique("shared");
    bao.policy(&name, policy).await.unwrap();
    let made = bao
        .put("auth/token/create", json!({"policies": [name], "period": "1h"}))
        .await
        .unwrap();
    let token = made["auth"]["client_token"].as_str().unwrap().to_owned();
    let auth = json!({"tokenSecretRef": {"name": "vault", "key": "token"}});
    // Files end with a newline.
    ((auth, Known::with("token", &format!("{token}\n"))), token)
}

/// A token role whose children may do `policy`.
pub(crate) async fn token_role(bao: &Api, policy: &str, role: Value) -> String {
    let name = unique("role");
    bao.policy(&name, policy).await.unwrap();
    let path = format!("auth/token/roles/{name}");
    bao.put(&path, role).await.unwrap();
    bao.put(&path, json!({"allowed_policies": name})).await.unwrap();
    name
}

/// A jwt method that trusts one key, and a token signed with it.
pub(crate) async fn jwt_method(bao: &Api, policy: &str) -> (Value, Known) {
    let mount = unique("jwt");
    bao.policy(&mount, policy).await.unwrap();
    bao.put(&format!("sys/auth/{mount}"), json!({"type": "jwt"}))
        .await
        .unwrap();
    let key = rcgen::KeyPair::generate().unwrap();
    bao.put(
        &format!("auth/{mount}/config"),
        json!({"jwt_validation_pubkeys": [key.public_key_pem()]}),
    )
    .await
    .unwrap();
    bao.put(
        &format!("auth/{mount}/role/esi"),
        json!({
            "role_type": "jwt", "user_claim": "sub", "bound_audiences": ["vault"],
            "token_policies": [mount], "token_ttl": "2h",
        }),
    )
    .await
    .unwrap();
    let claims = json!({"sub": "esi", "aud": "vault", "iat": 1_700_000_000, "nbf": 1_700_000_000, "exp": 4_000_000_000_u64});
    let signer = jsonwebtoken::EncodingKey::from_ec_pem(key.serialize_pem().as_bytes()).unwrap();
    let header = jsonwebtoken::Header::new(jsonwebtoken::Algorithm::ES256);
    let token = jsonwebtoken::encode(&header, &claims, &signer).unwrap();
    let auth = json!({"jwt": {"path": mount, "role": "esi", "secretRef": {"name": "vault", "key": "jwt"}}});
    (auth, Known::with("jwt", &token))
}

/// An AppRole that may do `policy`, with tokens as `role` says. Returns the manifest's `auth` and its Secrets.
pub(crate) async fn approle(bao: &Api, policy: &str, role: Value) -> (Value, Known) {
    let mount = unique("approle");
    bao.policy(&mount, policy).await.unwrap();
    bao.put(&format!("sys/auth/{mount}"), json!({"type": "approle"}))
        .await
        .unwrap();
    let path = format!("auth/{mount}/role/esi");
    bao.put(&path, role).await.unwrap();
    bao.put(&path, json!({"token_policies": mount})).await.unwrap();
    let role_id = bao.get(&format!("{path}/role-id")).await.unwrap();
    let secret_id = bao.put(&format!("{path}/secret-id"), json!({})).await.unwrap();
    let auth = json!({"appRole": {
        "path": mount,
        "roleId": role_id["data"]["role_id"],
        "secretRef": {"name": "vault", "key": "secret-id"},
    }});
    let secret_id = secret_id["data"]["secret_id"].as_str().unwrap();
    (auth, Known::with("secret-id", secret_id))
}

/// The values of the Secret `platform/vault`.
#[derive(Debug, Clone, Default)]
pub(crate) struct Known(BTreeMap<String, String>);

impl Known {
    pub(crate) fn with(key: &str, value: &str) -> Self {
        Self(BTreeMap::from([(key.to_owned(), value.to_owned())]))
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
        let generator = Generators::new(Arc::new(SystemClock), Arc::clone(&steps) as Arc<dyn Checkpoint>)
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
    pub(crate) full: std::sync::atomic::AtomicBool,
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
                expires_at: Timestamp::from_secs(0) + ttl,
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

/// Whether a token with this accessor exists.
pub(crate) async fn accessor_lives(bao: &Api, accessor: &str) -> bool {
    bao.put("auth/token/lookup-accessor", json!({"accessor": accessor}))
        .await
        .is_ok()
}
