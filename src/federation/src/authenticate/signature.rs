//! The verification of signatures with JSON Web Keys.

use aws_lc_rs::rsa::PublicKeyComponents;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ECDSA_P521_SHA512_FIXED, ED25519,
    EcdsaVerificationAlgorithm, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey,
};
use esi_resources::jwk::{Algorithm, Key, Material};

/// Whether `signature` over `signed` is of `key`. The caller has compared the algorithm.
pub(super) fn verifies(key: &Key, signed: &[u8], signature: &[u8]) -> bool {
    let ecdsa = |algorithm: &'static EcdsaVerificationAlgorithm, point: &[u8]| {
        UnparsedPublicKey::new(algorithm, point)
            .verify(signed, signature)
            .is_ok()
    };
    match (key.algorithm, &key.material) {
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
        // A key is read with the material of its algorithm; any other pairing verifies nothing.
        (Algorithm::Rs256, Material::Point(_))
        | (Algorithm::Es256 | Algorithm::Es384 | Algorithm::Es512 | Algorithm::EdDsa, Material::Rsa { .. }) => {
            false
        }
    }
}
