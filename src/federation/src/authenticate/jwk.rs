//! JSON Web Keys (RFC 7517, 7518, 8037) and the verification of signatures with them.
//!
//! Algorithm, key type and curve are pinned together: a key verifies one algorithm only, so that no token can
//! choose how its key is read (HS256 with a public key as the secret, for one).

use std::str::FromStr;

use aws_lc_rs::rsa::PublicKeyComponents;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ECDSA_P521_SHA512_FIXED, ED25519,
    EcdsaVerificationAlgorithm, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde_json::Value;

/// The signature algorithms accepted: those of Kubernetes' issuers, and `EdDSA`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Algorithm {
    Rs256,
    Es256,
    Es384,
    Es512,
    EdDsa,
}

impl FromStr for Algorithm {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "RS256" => Ok(Self::Rs256),
            "ES256" => Ok(Self::Es256),
            "ES384" => Ok(Self::Es384),
            "ES512" => Ok(Self::Es512),
            "EdDSA" => Ok(Self::EdDsa),
            _ => Err(()),
        }
    }
}

/// A public key that verifies one algorithm.
#[derive(Debug, Clone)]
pub(super) struct Key {
    pub(super) id: String,
    pub(super) algorithm: Algorithm,
    material: Material,
}

#[derive(Debug, Clone)]
enum Material {
    Rsa { modulus: Vec<u8>, exponent: Vec<u8> },
    Point(Vec<u8>),
}

/// Most keys of one set. A cluster in the middle of a key rotation has two or three.
const MAX_KEYS: usize = 32;

/// The usable keys of a JWK set. Keys of other types, uses or algorithms are passed over, as RFC 7517 §5 asks.
///
/// # Errors
/// If the document is no JWK set, or larger than any real one.
pub(super) fn read_set(document: &Value) -> Result<Vec<Key>, &'static str> {
    let keys = document
        .get("keys")
        .and_then(Value::as_array)
        .ok_or("it has no array `keys`")?;
    if keys.len() > MAX_KEYS {
        return Err("it has more than 32 keys");
    }
    let keys: Vec<Key> = keys.iter().filter_map(read).collect();
    if keys.is_empty() {
        Err("it has no key for RS256, ES256, ES384, ES512 or EdDSA with a `kid`")
    } else {
        Ok(keys)
    }
}

#[derive(Deserialize)]
struct Raw {
    kty: String,
    kid: String,
    #[serde(default)]
    alg: Option<String>,
    #[serde(default, rename = "use")]
    usage: Option<String>,
    #[serde(default)]
    crv: Option<String>,
    #[serde(default)]
    n: Option<String>,
    #[serde(default)]
    e: Option<String>,
    #[serde(default)]
    x: Option<String>,
    #[serde(default)]
    y: Option<String>,
}

fn read(key: &Value) -> Option<Key> {
    let raw = Raw::deserialize(key).ok()?;
    if raw.usage.as_deref().is_some_and(|usage| usage != "sig") {
        return None;
    }
    let (algorithm, material) = match (raw.kty.as_str(), raw.crv.as_deref()) {
        ("RSA", _) => (
            Algorithm::Rs256,
            Material::Rsa {
                modulus: number(raw.n)?,
                exponent: number(raw.e)?,
            },
        ),
        ("EC", Some("P-256")) => (Algorithm::Es256, point(raw.x, raw.y, 32)?),
        ("EC", Some("P-384")) => (Algorithm::Es384, point(raw.x, raw.y, 48)?),
        ("EC", Some("P-521")) => (Algorithm::Es512, point(raw.x, raw.y, 66)?),
        ("OKP", Some("Ed25519")) => (Algorithm::EdDsa, Material::Point(decode(raw.x)?)),
        _ => return None,
    };
    let fits = raw.alg.is_none_or(|alg| alg.parse() == Ok(algorithm));
    fits.then_some(Key {
        id: raw.kid,
        algorithm,
        material,
    })
}

fn decode(text: Option<String>) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text?).ok()
}

/// A positive integer, big-endian, without leading zeros (which the verifier refuses).
fn number(text: Option<String>) -> Option<Vec<u8>> {
    let bytes = decode(text)?;
    let first = bytes.iter().position(|&byte| byte != 0)?;
    bytes.get(first..).map(<[u8]>::to_vec)
}

/// An uncompressed point (SEC 1 §2.3.3).
fn point(x: Option<String>, y: Option<String>, coordinate: usize) -> Option<Material> {
    let (x, y) = (decode(x)?, decode(y)?);
    if x.len() != coordinate || y.len() != coordinate {
        return None;
    }
    let mut bytes = Vec::with_capacity(1 + 2 * coordinate);
    bytes.push(4);
    bytes.extend_from_slice(&x);
    bytes.extend_from_slice(&y);
    Some(Material::Point(bytes))
}

impl Key {
    /// Whether `signature` over `signed` is this key's. The caller has compared the algorithm.
    pub(super) fn verifies(&self, signed: &[u8], signature: &[u8]) -> bool {
        let ecdsa = |algorithm: &'static EcdsaVerificationAlgorithm, point: &[u8]| {
            UnparsedPublicKey::new(algorithm, point)
                .verify(signed, signature)
                .is_ok()
        };
        match (self.algorithm, &self.material) {
            (Algorithm::Rs256, Material::Rsa { modulus, exponent }) => PublicKeyComponents {
                n: modulus.as_slice(),
                e: exponent.as_slice(),
            }
            .verify(&RSA_PKCS1_2048_8192_SHA256, signed, signature)
            .is_ok(),
            (Algorithm::Es256, Material::Point(point)) => ecdsa(&ECDSA_P256_SHA256_FIXED, point),
            (Algorithm::Es384, Material::Point(point)) => ecdsa(&ECDSA_P384_SHA384_FIXED, point),
            (Algorithm::Es512, Material::Point(point)) => ecdsa(&ECDSA_P521_SHA512_FIXED, point),
            (Algorithm::EdDsa, Material::Point(point)) => UnparsedPublicKey::new(&ED25519, point)
                .verify(signed, signature)
                .is_ok(),
            // `read` pairs algorithm and material; any other pairing verifies nothing.
            (Algorithm::Rs256, Material::Point(_))
            | (
                Algorithm::Es256 | Algorithm::Es384 | Algorithm::Es512 | Algorithm::EdDsa,
                Material::Rsa { .. },
            ) => false,
        }
    }
}
