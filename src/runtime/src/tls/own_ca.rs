//! A certificate authority of our own: one file is its truth, and leaves live in memory only.
//!
//! `ca-key.pem` (0600) holds the CA's key *and* certificate, so that they cannot disagree; of processes that
//! start together the first to give it its name wins and the others use that one. `ca.pem` is the
//! certificate alone, derived from it at each start, for clients.

use std::path::Path;
use std::time::Duration;

use esi_core::{SecretBytes, Timestamp};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, PublicKeyData as _,
};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

use super::pair::Served;
use super::{FileError, TlsError, is_server_name};
use crate::files;

pub(super) const KEY_FILE: &str = "ca-key.pem";
pub(super) const CERTIFICATE_FILE: &str = "ca.pem";

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// Clients are given the CA by hand or by installation: it outlives any of those.
const CA_LIFE: Duration = DAY.saturating_mul(3650);
/// Short enough that a stolen leaf key is soon worthless, long enough to be down for a week.
const LEAF_LIFE: Duration = DAY.saturating_mul(30);
/// A leaf is renewed after two thirds of its life: ten days are left to notice that it fails.
pub(super) const RENEW_BEFORE_END: Duration = DAY.saturating_mul(10);
/// 9999-12-31T23:59:59Z: no certificate can say a later one (RFC 5280 §4.1.2.5).
const LAST: Timestamp = Timestamp::from_secs(253_402_300_799);
/// Certificates are valid a little before they were made, for clients whose clock is behind.
const SKEW: Duration = Duration::from_secs(5 * 60);

/// An opened CA, for one server's names.
pub(super) struct OwnCa {
    issuer: Issuer<'static, KeyPair>,
    certificate_pem: String,
    not_after: Timestamp,
    names: Vec<String>,
}

impl OwnCa {
    /// Opens the CA in `directory`, and begins it there if there is none.
    pub(super) fn open(directory: &Path, names: Vec<String>, now: Timestamp) -> Result<Self, TlsError> {
        if names.is_empty() || !names.iter().all(|name| is_server_name(name)) {
            return Err(TlsError::Names);
        }
        files::private_directory(directory)
            .map_err(FileError::at(directory))
            .map_err(TlsError::Storage)?;
        let (path, public) = (directory.join(KEY_FILE), directory.join(CERTIFICATE_FILE));
        // Looked at before the key: it is written after it, so whoever sees it must also find the key.
        let begun = public
            .try_exists()
            .map_err(FileError::at(&public))
            .map_err(TlsError::Storage)?;
        if !begun {
            let content = generate(now).map_err(TlsError::Mint)?;
            files::create(&path, content.expose(), 0o600)
                .map_err(FileError::at(&path))
                .map_err(TlsError::Storage)?;
        }
        let damaged = |source| {
            TlsError::DamagedCa(FileError {
                path: path.clone(),
                source,
            })
        };
        let content = SecretBytes::new(files::read(&path).map_err(damaged)?);
        let ca = Self::parse(&content, names).map_err(|problem| damaged(std::io::Error::other(problem)))?;
        if ca.not_after <= now {
            return Err(TlsError::ExpiredCa);
        }
        if files::read(&public).ok().as_deref() != Some(ca.certificate_pem.as_bytes()) {
            files::replace(&public, ca.certificate_pem.as_bytes(), 0o644)
                .map_err(FileError::at(&public))
                .map_err(TlsError::Storage)?;
        }
        Ok(ca)
    }

    fn parse(content: &SecretBytes, names: Vec<String>) -> Result<Self, &'static str> {
        let key = PrivateKeyDer::from_pem_slice(content.expose()).map_err(|_pem| "no private key in it")?;
        let key = KeyPair::from_der_and_sign_algo(&key, &PKCS_ECDSA_P256_SHA256)
            .map_err(|_key| "the private key is not ECDSA P-256")?;
        let certificate_pem = certificate_section(content)
            .ok_or("no certificate in it")?
            .to_owned();
        let certificate = CertificateDer::from_pem_slice(certificate_pem.as_bytes())
            .map_err(|_pem| "the certificate is not PEM")?;
        let (_rest, parsed) = x509_parser::parse_x509_certificate(&certificate)
            .map_err(|_syntax| "the certificate is not X.509")?;
        if parsed.public_key().raw != key.subject_public_key_info() {
            return Err("the certificate is not for the key");
        }
        if !parsed.is_ca() {
            return Err("the certificate is not one of a CA");
        }
        let not_after = Timestamp::from_secs(parsed.validity().not_after.timestamp());
        let issuer = Issuer::from_ca_cert_der(&certificate, key)
            .map_err(|_issuer| "the certificate cannot be used to sign")?;
        Ok(Self {
            issuer,
            certificate_pem,
            not_after,
            names,
        })
    }

    /// What clients must trust.
    pub(super) fn certificate_pem(&self) -> &str {
        &self.certificate_pem
    }

    /// A new leaf, with a new key that exists only in this process.
    pub(super) fn mint(&self, now: Timestamp) -> Result<Served, TlsError> {
        let mut leaf = CertificateParams::new(self.names.clone()).map_err(TlsError::Mint)?;
        leaf.distinguished_name.push(DnType::CommonName, "ESI server");
        leaf.is_ca = IsCa::ExplicitNoCa;
        leaf.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        leaf.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        leaf.use_authority_key_identifier_extension = true;
        valid(&mut leaf, now, (now + LEAF_LIFE).min(self.not_after));
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(TlsError::Mint)?;
        let certificate = leaf.signed_by(&key, &self.issuer).map_err(TlsError::Mint)?;
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        Served::new(vec![certificate.der().clone()], key)
    }
}

/// Key and certificate of a new CA, in PEM.
fn generate(now: Timestamp) -> Result<SecretBytes, rcgen::Error> {
    let mut ca = CertificateParams::new(Vec::new())?;
    // Unique, so that a client that holds an old and a new CA tells them apart by name.
    let id = uuid::Uuid::new_v4();
    ca.distinguished_name = rcgen::DistinguishedName::new();
    ca.distinguished_name
        .push(DnType::CommonName, format!("ESI certificate authority {id}"));
    ca.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    ca.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    valid(&mut ca, now, now + CA_LIFE);
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
    let certificate = ca.self_signed(&key)?;
    let key = SecretBytes::from(key.serialize_pem());
    let mut content = Vec::with_capacity(key.len() + 2048);
    content.extend_from_slice(key.expose());
    content.extend_from_slice(certificate.pem().as_bytes());
    Ok(SecretBytes::new(content))
}

fn valid(certificate: &mut CertificateParams, from: Timestamp, until: Timestamp) {
    let epoch = rcgen::date_time_ymd(1970, 1, 1);
    let at = |time: Timestamp| epoch + time.min(LAST).since(Timestamp::default());
    certificate.not_before = at(from.before(SKEW));
    certificate.not_after = at(until);
}

/// The certificate's own PEM section: a client is given that, and never the section before it.
fn certificate_section(content: &SecretBytes) -> Option<&str> {
    const END: &str = "-----END CERTIFICATE-----\n";
    let text = content.expose_str().ok()?;
    let section = text.get(text.find("-----BEGIN CERTIFICATE-----")?..)?;
    section.get(..section.find(END)? + END.len())
}
