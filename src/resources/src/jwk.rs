//! JSON Web Keys (RFC 7517, 7518, 8037), as a federation states or a cluster publishes them.
//!
//! Algorithm, key type and curve are pinned together: a key is for one algorithm only, so that no token can choose
//! how its key is read (HS256 with a public key as the secret, for one).

use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde_json::Value;

/// The signature algorithms accepted: those of Kubernetes' issuers, and `EdDSA`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    Rs256,
    /// ECDSA on P-256 with SHA-256.
    Es256,
    /// ECDSA on P-384 with SHA-384.
    Es384,
    /// ECDSA on P-521 with SHA-512.
    Es512,
    /// Ed25519.
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
pub struct Key {
    /// Its `kid`.
    pub id: String,
    /// What it verifies.
    pub algorithm: Algorithm,
    /// The key itself.
    pub material: Material,
}

/// A public key.
#[derive(Debug, Clone)]
pub enum Material {
    /// Of RSA: big-endian, without leading zeros.
    Rsa {
        /// 2048 to 8192 bits.
        modulus: Vec<u8>,
        /// The public exponent.
        exponent: Vec<u8>,
    },
    /// Of a curve: an uncompressed point (SEC 1 §2.3.3), or the 32 bytes of Ed25519.
    Point(Vec<u8>),
}

/// Most keys of one set. A cluster in the middle of a key rotation has two or three.
const MAX_KEYS: usize = 32;

/// The usable keys of a set that somebody publishes. Others are passed over, as RFC 7517 §5 asks.
///
/// # Errors
/// If the document is no JWK set, has no usable key, or is larger than any real one.
pub fn read_set(document: &Value) -> Result<Vec<Key>, &'static str> {
    let keys: Vec<Key> = entries(document)?
        .iter()
        .filter_map(|key| read(key).ok().flatten())
        .collect();
    if keys.is_empty() { Err(NONE) } else { Ok(keys) }
}

/// Refuses a set that a person wrote and that would not do what it is meant to: beside what [`read_set`] refuses, a
/// key of an accepted kind that cannot be used.
///
/// # Errors
/// Naming the key, by its place in the set.
pub(crate) fn check_set(document: &Value) -> Result<(), String> {
    let mut usable = 0_usize;
    for (index, key) in entries(document)?.iter().enumerate() {
        match read(key) {
            Ok(Some(_)) => usable += 1,
            Ok(None) => {}
            Err(problem) => return Err(format!("keys[{index}]: {problem}")),
        }
    }
    if usable == 0 { Err(NONE.to_owned()) } else { Ok(()) }
}

const NONE: &str = "it has no key for RS256, ES256, ES384, ES512 or EdDSA";

fn entries(document: &Value) -> Result<&Vec<Value>, &'static str> {
    let keys = document.get("keys").and_then(Value::as_array);
    let keys = keys.ok_or("write `{keys: […]}` (RFC 7517)")?;
    if keys.len() > MAX_KEYS {
        return Err("it has more than 32 keys");
    }
    Ok(keys)
}

#[derive(Deserialize)]
struct Raw {
    kty: String,
    #[serde(default)]
    kid: Option<String>,
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

/// A key; none where it is for something else than the signatures accepted here.
fn read(key: &Value) -> Result<Option<Key>, &'static str> {
    let raw =
        Raw::deserialize(key).map_err(|_source| "it is no key: write an object with `kty` (RFC 7517)")?;
    if raw.usage.as_deref().is_some_and(|usage| usage != "sig") {
        return Ok(None);
    }
    let algorithm = match (raw.kty.as_str(), raw.crv.as_deref()) {
        ("RSA", _) => Algorithm::Rs256,
        ("EC", Some("P-256")) => Algorithm::Es256,
        ("EC", Some("P-384")) => Algorithm::Es384,
        ("EC", Some("P-521")) => Algorithm::Es512,
        ("OKP", Some("Ed25519")) => Algorithm::EdDsa,
        _ => return Ok(None),
    };
    if raw.alg.is_some_and(|alg| alg.parse() != Ok(algorithm)) {
        return Ok(None);
    }
    let material = match algorithm {
        Algorithm::Rs256 => {
            let (modulus, exponent) = (number(raw.n), number(raw.e));
            modulus
                .zip(exponent)
                .filter(|(modulus, _)| RSA_BYTES.contains(&modulus.len()))
                .map(|(modulus, exponent)| Material::Rsa { modulus, exponent })
                .ok_or("write `n` (2048 to 8192 bits) and `e` in base64url without padding (RFC 7518 §6.3)")?
        }
        Algorithm::Es256 => point(raw.x, raw.y, 32)?,
        Algorithm::Es384 => point(raw.x, raw.y, 48)?,
        Algorithm::Es512 => point(raw.x, raw.y, 66)?,
        Algorithm::EdDsa => decode(raw.x)
            .filter(|x| x.len() == 32)
            .map(Material::Point)
            .ok_or("write `x`, 32 bytes in base64url without padding (RFC 8037 §2)")?,
    };
    let id = raw.kid.filter(|kid| !kid.is_empty());
    Ok(Some(Key {
        id: id.ok_or("write its `kid`: tokens name their key by it")?,
        algorithm,
        material,
    }))
}

/// Of a modulus: smaller ones are not safe, larger ones cost too much.
const RSA_BYTES: std::ops::RangeInclusive<usize> = 256..=1024;

fn decode(text: Option<String>) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text?).ok()
}

/// A positive integer, big-endian, without leading zeros (which verifiers refuse).
fn number(text: Option<String>) -> Option<Vec<u8>> {
    let bytes = decode(text)?;
    let first = bytes.iter().position(|&byte| byte != 0)?;
    bytes.get(first..).map(<[u8]>::to_vec)
}

/// An uncompressed point.
fn point(x: Option<String>, y: Option<String>, coordinate: usize) -> Result<Material, &'static str> {
    let both = decode(x).zip(decode(y));
    let both = both.filter(|(x, y)| x.len() == coordinate && y.len() == coordinate);
    let (x, y) = both.ok_or(
        "write `x` and `y`, each as long as its curve's, in base64url without padding (RFC 7518 §6.2)",
    )?;
    let mut bytes = Vec::with_capacity(1 + 2 * coordinate);
    bytes.push(4);
    bytes.extend_from_slice(&x);
    bytes.extend_from_slice(&y);
    Ok(Material::Point(bytes))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn ed25519() -> Value {
        json!({ "kty": "OKP", "crv": "Ed25519", "kid": "k", "x": URL_SAFE_NO_PAD.encode([1; 32]) })
    }

    fn with(change: impl FnOnce(&mut Value)) -> Value {
        let mut key = ed25519();
        change(&mut key);
        json!({ "keys": [ed25519(), key] })
    }

    #[test]
    fn what_is_published_is_passed_over_where_it_cannot_be_used() {
        let encryption = with(|key| key["use"] = json!("enc"));
        let short = with(|key| key["x"] = json!("AAAA"));
        for set in [&encryption, &short] {
            assert_eq!(read_set(set).unwrap().len(), 1);
        }
        let mixed = json!({ "keys": [{ "kty": "oct", "kid": "s", "k": "AAAA" }, 7, ed25519()] });
        assert_eq!(read_set(&mixed).unwrap().len(), 1);
        assert!(read_set(&json!({ "keys": [{ "kty": "oct", "kid": "s" }] })).is_err());
        assert!(read_set(&json!([])).is_err());
        let many: Vec<Value> = (0..33).map(|_| ed25519()).collect();
        assert!(read_set(&json!({ "keys": many })).is_err());
    }

    #[test]
    fn what_a_person_wrote_is_refused_with_its_place_where_it_cannot_be_used() {
        assert!(check_set(&with(|_| {})).is_ok());
        assert!(
            check_set(&with(|key| key["use"] = json!("enc"))).is_ok(),
            "for something else"
        );
        let refusals = [
            with(|key| key["x"] = json!("AAAA")),
            with(|key| drop(key.as_object_mut().unwrap().remove("kid"))),
            with(|key| *key = json!({ "kty": "RSA", "kid": "k", "n": "AQAB", "e": "AQAB" })),
            with(|key| *key = json!({ "kty": "EC", "crv": "P-256", "kid": "k", "x": "AA", "y": "AA" })),
        ];
        for set in refusals {
            let refusal = check_set(&set).unwrap_err();
            assert!(refusal.starts_with("keys[1]: write "), "{refusal}");
        }
        assert_eq!(
            check_set(&json!({ "keys": [{ "kty": "oct" }] })).unwrap_err(),
            NONE
        );
    }
}
