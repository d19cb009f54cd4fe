//! A cluster's token issuer. Tokens are signed with `jsonwebtoken`, which the server does not use: each checks the
//! other.

use std::time::Duration;

use esi_core::{Clock as _, SystemClock};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256, PublicKeyData as _};
use serde_json::{Value, json};

/// The issuer text of every [`Issuer`].
pub const ISSUER: &str = "https://kubernetes.default.svc.cluster.local";
/// The audience of every token, unless changed.
pub const AUDIENCE: &str = "esi";

/// Signs tokens with one key.
pub struct Issuer {
    key: KeyPair,
    key_id: String,
}

/// A pod that asks for tokens.
#[derive(Debug, Clone)]
pub struct Pod {
    /// Its namespace.
    pub namespace: String,
    /// Its service account.
    pub service_account: String,
    /// Its name.
    pub name: String,
    /// Its UID.
    pub uid: String,
}

impl Pod {
    /// A new pod of service account `demo/app`.
    #[must_use]
    pub fn new() -> Self {
        let uid = esi_core::LeaseId::random().to_string();
        Self {
            namespace: "demo".to_owned(),
            service_account: "app".to_owned(),
            name: format!("app-{}", &uid[..8]),
            uid,
        }
    }
}

impl Default for Pod {
    fn default() -> Self {
        Self::new()
    }
}

impl Issuer {
    /// With a new key.
    #[must_use]
    pub fn new(key_id: &str) -> Self {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
        Self {
            key,
            key_id: key_id.to_owned(),
        }
    }

    /// The public key as a JWK.
    #[must_use]
    pub fn jwk(&self) -> Value {
        use base64::Engine as _;
        let point = self.key.der_bytes();
        let coordinate =
            |from: usize| base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(&point[from..from + 32]);
        json!({
            "kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig", "kid": self.key_id,
            "x": coordinate(1), "y": coordinate(33)
        })
    }

    /// A `KubernetesFederation` that has its key inline.
    #[must_use]
    pub fn federation(&self, name: &str) -> Value {
        json!({
            "apiVersion": "identity.federation.external-secrets.io/v1alpha1",
            "kind": "KubernetesFederation",
            "metadata": { "name": name },
            "spec": { "issuer": ISSUER, "jwks": { "keys": [self.jwk()] } }
        })
    }

    /// The claims of a token that kubelet would project into the pod.
    #[must_use]
    pub fn claims(pod: &Pod) -> Value {
        let now = SystemClock.now();
        let Pod {
            namespace,
            service_account,
            name,
            uid,
        } = pod;
        json!({
            "iss": ISSUER,
            "sub": format!("system:serviceaccount:{namespace}:{service_account}"),
            "aud": [AUDIENCE],
            "iat": now.as_secs(),
            "nbf": now.as_secs(),
            "exp": (now + Duration::from_secs(3600)).as_secs(),
            "kubernetes.io": {
                "namespace": namespace,
                "serviceaccount": { "name": service_account, "uid": "sa-uid" },
                "pod": { "name": name, "uid": uid },
                "node": { "name": "node-a", "uid": "node-uid" }
            }
        })
    }

    /// A token of the pod.
    #[must_use]
    pub fn token(&self, pod: &Pod) -> String {
        self.sign(&Self::claims(pod))
    }

    /// Any claims, signed.
    #[must_use]
    pub fn sign(&self, claims: &Value) -> String {
        let mut header = Header::new(Algorithm::ES256);
        header.kid = Some(self.key_id.clone());
        encode(
            &header,
            claims,
            &EncodingKey::from_ec_der(self.key.serialized_der()),
        )
        .unwrap()
    }
}
