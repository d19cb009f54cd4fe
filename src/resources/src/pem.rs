//! CA certificates as manifests give them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

const BEGIN: &str = "-----BEGIN CERTIFICATE-----";

/// PEM from PEM, or from base64 of PEM (as Kubernetes writes `caBundle`).
pub(crate) fn read(text: &str) -> Result<String, &'static str> {
    if text.contains(BEGIN) {
        return Ok(text.to_owned());
    }
    let packed: String = text.split_ascii_whitespace().collect();
    STANDARD
        .decode(packed)
        .ok()
        .and_then(|bytes| String::from_utf8(bytes).ok())
        .filter(|pem| pem.contains(BEGIN))
        .ok_or("caBundle: write certificates in PEM, or the base64 of that")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pem_and_base64_of_pem_are_the_same() {
        let pem = format!("{BEGIN}\nAAAA\n-----END CERTIFICATE-----\n");
        assert_eq!(read(&pem).unwrap(), pem);
        let mut packed = STANDARD.encode(&pem);
        packed.insert(10, '\n');
        assert_eq!(read(&packed).unwrap(), pem);
    }

    #[test]
    fn anything_else_is_refused() {
        for bad in ["", "x", "AAAA", "-----BEGIN PRIVATE KEY-----"] {
            assert!(read(bad).is_err(), "{bad:?} was taken");
        }
    }
}
