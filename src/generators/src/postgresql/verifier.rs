//! What PostgreSQL keeps of a password, made here so that the password never travels in a statement.
//!
//! SCRAM-SHA-256 (RFC 5802 §3, RFC 7677), in the form that `CREATE ROLE … PASSWORD` recognises and stores as it is:
//! `SCRAM-SHA-256$<iterations>:<salt>$<stored key>:<server key>`.

use std::io;
use std::num::NonZeroU32;

use aws_lc_rs::digest::{SHA256, SHA256_OUTPUT_LEN, digest};
use aws_lc_rs::hmac::{HMAC_SHA256, Key, sign};
use aws_lc_rs::pbkdf2::{PBKDF2_HMAC_SHA256, derive};
use data_encoding::BASE64;
use zeroize::Zeroizing;

use crate::error::GeneratorError;

/// RFC 7677's least, which drivers insist on. More would slow each login down and protect nothing: the passwords
/// are random, with 190 bits.
const ITERATIONS: NonZeroU32 = NonZeroU32::new(4096).unwrap();

/// The verifier of `password`, which must be ASCII (so that SASLprep leaves it as it is), with a new random salt.
pub(super) fn verifier(password: &[u8]) -> Result<String, GeneratorError> {
    let mut salt = [0_u8; 16];
    aws_lc_rs::rand::fill(&mut salt).map_err(|source| GeneratorError::Unavailable {
        action: "draw random numbers",
        source: Box::new(io::Error::other(source)),
    })?;
    Ok(with_salt(password, &salt))
}

fn with_salt(password: &[u8], salt: &[u8]) -> String {
    let mut salted = Zeroizing::new([0_u8; SHA256_OUTPUT_LEN]);
    derive(PBKDF2_HMAC_SHA256, ITERATIONS, salt, password, &mut *salted);
    let key = Key::new(HMAC_SHA256, &*salted);
    let stored_key = digest(&SHA256, sign(&key, b"Client Key").as_ref());
    let server_key = sign(&key, b"Server Key");
    format!(
        "SCRAM-SHA-256${ITERATIONS}:{}${}:{}",
        BASE64.encode(salt),
        BASE64.encode(stored_key.as_ref()),
        BASE64.encode(server_key.as_ref())
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_verifier_is_the_one_that_postgresql_itself_makes() {
        // PostgreSQL's own verifier (`SELECT rolpassword FROM pg_authid`) of this password, with its salt.
        let theirs = "SCRAM-SHA-256$4096:azrGlFi4qHC6K3pKj+Fbxw==$msOBteyOK3lzjWXhWi2DLyWzeExqZdSWnm8wzprNrog=:bb2vXl04lLKjYSsqrj6uWn68ifmvLoPgYP3ieQ7p53U=";
        let salt = theirs
            .split(['$', ':'])
            .nth(2)
            .map(|text| BASE64.decode(text.as_bytes()).unwrap());
        assert_eq!(
            with_salt(b"Passw0rdPassw0rdPassw0rdPassw0rd", &salt.unwrap()),
            theirs
        );
    }

    #[test]
    fn no_two_verifiers_are_alike() {
        assert_ne!(verifier(b"a").unwrap(), verifier(b"a").unwrap());
    }
}
