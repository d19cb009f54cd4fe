//! The certificates of a CA, as pods are given them.

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

/// Most bytes of one server's certificates. They go into an environment variable of every pod: Linux takes 128 KiB in
/// one, and etcd 1.5 MiB in a pod. A bundle of two CAs is 4 KiB.
const MAX_BYTES: usize = 32 * 1024;

const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
const END: &str = "-----END CERTIFICATE-----";

/// The certificates in `text` and nothing of what stands between them: bundles carry comments, and a file that holds
/// a private key by mistake must not be copied into every pod.
pub(super) fn certificates(text: &str) -> Result<String, String> {
    if text.contains("PRIVATE KEY-----") {
        return Err("there is a private key in it: give the certificates alone".to_owned());
    }
    let mut roots = RootCertStore::empty();
    let mut pem = String::new();
    let mut rest = text;
    while let Some((_, tail)) = rest.split_once(BEGIN) {
        let Some((body, tail)) = tail.split_once(END) else {
            return Err("a certificate in it has no end".to_owned());
        };
        let section = format!("{BEGIN}{body}{END}\n");
        let number = roots.len() + 1;
        CertificateDer::from_pem_slice(section.as_bytes())
            .map_err(|error| error.to_string())
            .and_then(|der| roots.add(der).map_err(|error| error.to_string()))
            .map_err(|error| format!("certificate {number} in it cannot be used: {error}"))?;
        pem.push_str(&section);
        rest = tail;
    }
    if roots.is_empty() {
        return Err("there is no certificate in PEM in it".to_owned());
    }
    if pem.len() > MAX_BYTES {
        return Err(format!(
            "it has {} bytes of certificates and may have {MAX_BYTES}: give only those of this server's CA, since \
             every pod carries them",
            pem.len()
        ));
    }
    Ok(pem)
}
