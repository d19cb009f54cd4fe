//! Vault's side: engines, ways to log in, and what is there.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicU32, Ordering};

pub(crate) use esi_tests::eventually;
use esi_tests::openbao::{Api, OpenBao};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::support::{Known, Manifest};

/// What a generator must be able to do besides calling its path.
pub(crate) const OWN_POLICY: &str = r#"
path "sys/leases/renew"           { capabilities = ["update"] }
path "sys/leases/revoke"          { capabilities = ["update"] }
path "auth/token/renew-accessor"  { capabilities = ["update"] }
path "auth/token/revoke-accessor" { capabilities = ["update"] }
"#;

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
    match bao.put(&format!("{mount}/verify"), json!({"otp": otp})).await {
        Ok(_) => true,
        Err(error) if error.to_string().contains("OTP not found") => false,
        Err(error) => panic!("{error}"),
    }
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
    let token = signed(&key, &claims);
    let auth = json!({"jwt": {"path": mount, "role": "esi", "secretRef": {"name": "vault", "key": "jwt"}}});
    (auth, Known::with("jwt", &token))
}

/// A kubernetes method whose API server knows one service account and takes any token for its.
pub(crate) async fn kubernetes_method(bao: &Api, policy: &str) -> (Value, Known) {
    let mount = unique("kubernetes");
    bao.policy(&mount, policy).await.unwrap();
    bao.put(&format!("sys/auth/{mount}"), json!({"type": "kubernetes"}))
        .await
        .unwrap();
    let token = jwt(&json!({
        "iss": "kubernetes", "sub": "system:serviceaccount:platform:esi",
        "kubernetes.io": {"namespace": "platform", "serviceaccount": {"name": "esi", "uid": "u-1"}},
    }));
    let config = json!({
        "kubernetes_host": token_review().await,
        "token_reviewer_jwt": token,
        "disable_local_ca_jwt": true,
        // It is asked for and, over plain HTTP, not used.
        "kubernetes_ca_cert": rcgen::generate_simple_self_signed(Vec::new()).unwrap().cert.pem(),
    });
    bao.put(&format!("auth/{mount}/config"), config).await.unwrap();
    let role = json!({
        "bound_service_account_names": "esi", "bound_service_account_namespaces": "platform",
        "token_policies": mount, "token_ttl": "2h",
    });
    bao.put(&format!("auth/{mount}/role/esi"), role).await.unwrap();
    let auth = json!({"kubernetes": {
        "mountPath": mount, "role": "esi", "secretRef": {"name": "vault", "key": "token"},
    }});
    (auth, Known::with("token", &token))
}

/// An API server that can review tokens and nothing else.
async fn token_review() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let body = json!({
            "apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview",
            "status": {"authenticated": true, "user": {
                "username": "system:serviceaccount:platform:esi", "uid": "u-1",
                "groups": ["system:serviceaccounts"],
            }},
        })
        .to_string();
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = [0; 8192];
            assert!(stream.read(&mut request).await.unwrap() > 0);
            let answer = format!(
                "HTTP/1.1 201 Created\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
                body.len()
            );
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    });
    address
}

/// A token with some claims, signed with a key of its own.
fn jwt(claims: &Value) -> String {
    signed(&rcgen::KeyPair::generate().unwrap(), claims)
}

fn signed(key: &rcgen::KeyPair, claims: &Value) -> String {
    let signer = jsonwebtoken::EncodingKey::from_ec_pem(key.serialize_pem().as_bytes()).unwrap();
    let header = jsonwebtoken::Header::new(jsonwebtoken::Algorithm::ES256);
    jsonwebtoken::encode(&header, claims, &signer).unwrap()
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

/// Whether a token with this accessor exists.
pub(crate) async fn accessor_lives(bao: &Api, accessor: &str) -> bool {
    bao.put("auth/token/lookup-accessor", json!({"accessor": accessor}))
        .await
        .is_ok()
}
