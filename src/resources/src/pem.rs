//! CA certificates as manifests give them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
const END: &str = "-----END CERTIFICATE-----";

/// PEM from PEM, or from base64 of PEM (as Kubernetes writes `caBundle`).
///
/// # Errors
/// What to write, if there is no certificate in it, or one that is cut short.
pub fn read(text: &str) -> Result<String, &'static str> {
    let pem = if text.contains(BEGIN) {
        Some(text.to_owned())
    } else {
        decode(text).and_then(|bytes| String::from_utf8(bytes).ok())
    };
    pem.filter(|pem| holds_certificates(pem))
        .ok_or("caBundle: write certificates in PEM, whole ones, or the base64 of that")
}

/// Whether there is a certificate, and none that is cut short: what TLS libraries pass over in silence.
fn holds_certificates(pem: &str) -> bool {
    let mut blocks = pem.split(BEGIN).skip(1).peekable();
    blocks.peek().is_some()
        && blocks.all(|block| {
            let body = block.split_once(END).and_then(|(body, _)| decode(body));
            body.is_some_and(|der| is_sequence(&der))
        })
}

fn decode(text: &str) -> Option<Vec<u8>> {
    let packed: String = text.split_ascii_whitespace().collect();
    STANDARD.decode(packed).ok()
}

/// Whether it is one DER SEQUENCE (X.690 §8.9) of exactly this length, as a certificate is.
fn is_sequence(der: &[u8]) -> bool {
    let [0x30, first, rest @ ..] = der else {
        return false;
    };
    let (length, content) = if *first < 0x80 {
        (usize::from(*first), rest)
    } else {
        // The number of bytes of the length; no certificate needs more than three.
        let bytes = usize::from(*first & 0x7f);
        match rest.split_at_checked(bytes) {
            Some((length, content)) if bytes <= 3 => (
                length.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte)),
                content,
            ),
            _ => return false,
        }
    };
    length == content.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pem(body: &str) -> String {
        format!("{BEGIN}\n{body}\n{END}\n")
    }

    #[test]
    fn pem_and_base64_of_pem_are_the_same() {
        let long = STANDARD.encode([&[0x30, 0x82, 0x01, 0x00][..], &[7; 256]].concat());
        let pem = format!("a comment\n{}{}", pem("MAA="), pem(&long));
        assert_eq!(read(&pem).unwrap(), pem);
        let mut packed = STANDARD.encode(&pem);
        packed.insert(10, '\n');
        assert_eq!(read(&packed).unwrap(), pem);
    }

    #[test]
    fn what_has_no_certificate_or_a_broken_one_is_refused() {
        let cut = pem("MAA=") + BEGIN + "\nMAA=\n";
        let key = pem("MAA=").replace("CERTIFICATE", "PRIVATE KEY");
        for bad in [
            "",
            "x",
            "AAAA",
            &key,
            &cut,
            &pem(""),
            &pem("AAAA"),
            &pem("MAAA"),
            &pem("?"),
        ] {
            assert!(read(bad).is_err(), "{bad:?} was taken");
        }
    }
}
