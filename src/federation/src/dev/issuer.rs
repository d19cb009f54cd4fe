//! A token issuer for trials: tokens of the shape that Kubernetes binds to a pod, signed with a key of its own.

use std::time::Duration;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use esi_core::names::Uid;
use esi_core::{LeaseId, SecretBytes, Timestamp};
use serde_json::{Value, json};
use thiserror::Error;

/// The issuer in every dev token.
pub(super) const ISSUER: &str = "https://issuer.esi.localhost";
const KEY_ID: &str = "dev";

/// The random number generator failed.
#[derive(Debug, Error)]
#[error("the trial's token key cannot be made or used")]
pub struct DevKeyError;

/// Signs tokens for `system:serviceaccount:demo:app`, pod `app-0`.
#[derive(Debug)]
pub(super) struct DevIssuer {
    key: EcdsaKeyPair,
    pod: Uid,
}

impl DevIssuer {
    /// With a new key and a new pod.
    pub(super) fn new() -> Result<Self, DevKeyError> {
        let key =
            EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).map_err(|_unspecified| DevKeyError)?;
        let pod = LeaseId::random()
            .to_string()
            .parse()
            .map_err(|_impossible| DevKeyError)?;
        Ok(Self { key, pod })
    }

    /// The `KubernetesFederation` that vouches for its tokens.
    pub(super) fn federation(&self) -> Value {
        json!({
            "apiVersion": "identity.federation.external-secrets.io/v1alpha1",
            "kind": "KubernetesFederation",
            "metadata": { "name": "dev" },
            "spec": { "issuer": ISSUER, "jwks": { "keys": [self.public_key()] } }
        })
    }

    fn public_key(&self) -> Value {
        // An uncompressed point: 4, x, y.
        let point = self.key.public_key().as_ref();
        let coordinate = |from| URL_SAFE_NO_PAD.encode(point.get(from..from + 32).unwrap_or_default());
        json!({
            "kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig", "kid": KEY_ID,
            "x": coordinate(1), "y": coordinate(33)
        })
    }

    /// A token for `audience`.
    pub(super) fn token(
        &self,
        now: Timestamp,
        audience: &str,
        ttl: Duration,
    ) -> Result<SecretBytes, DevKeyError> {
        let header = json!({ "alg": "ES256", "typ": "JWT", "kid": KEY_ID });
        let claims = json!({
            "iss": ISSUER,
            "sub": "system:serviceaccount:demo:app",
            "aud": [audience],
            "iat": now.as_secs(),
            "nbf": now.as_secs(),
            "exp": (now + ttl).as_secs(),
            "kubernetes.io": {
                "namespace": "demo",
                "serviceaccount": { "name": "app", "uid": "dev" },
                "pod": { "name": "app-0", "uid": self.pod },
                "node": { "name": "localhost" }
            }
        });
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", part(&header), part(&claims));
        let signature = self
            .key
            .sign(&SystemRandom::new(), signed.as_bytes())
            .map_err(|_unspecified| DevKeyError)?;
        Ok(SecretBytes::from(format!(
            "{signed}.{}",
            URL_SAFE_NO_PAD.encode(signature.as_ref())
        )))
    }
}
