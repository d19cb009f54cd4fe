//! A certificate authority of our own: a key, a certificate, and the leaves that it mints.
//!
//! Where it is kept is its owner's business (a directory, a Secret). Leaves and their keys live in memory only.

use std::fmt;
use std::time::Duration;

use esi_core::{SecretBytes, Timestamp};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, PublicKeyData as _,
};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use thiserror::Error;

use super::pair::Served;
use super::{TlsError, is_server_name};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// Short enough that a stolen leaf key is soon worthless, long enough to be down for a week.
const LEAF_LIFE: Duration = DAY.saturating_mul(30);
/// A leaf is renewed after two thirds of its life: ten days are left to notice that it fails.
pub(super) const RENEW_BEFORE_END: Duration = DAY.saturating_mul(10);
/// 9999-12-31T23:59:59Z: no certificate can say a later one (RFC 5280 §4.1.2.5).
const LAST: Timestamp = Timestamp::from_secs(253_402_300_799);
/// Certificates are valid a little before they were made, for clients whose clock is behind.
const SKEW: Duration = Duration::from_secs(5 * 60);

/// Why a text is no certificate authority. It quotes nothing of the text.
#[derive(Debug, Error, Clone, Copy, PartialEq, Eq)]
#[error("no certificate authority: {0}")]
pub struct AuthorityError(&'static str);

/// A certificate authority, its key included.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: SecretBytes,
    certificate_pem: String,
    not_before: Timestamp,
    not_after: Timestamp,
}

impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authority")
            .field("not_after", &self.not_after)
            .finish_non_exhaustive()
    }
}

impl Authority {
    /// Makes one that lasts for `life`.
    ///
    /// # Errors
    /// If the key or the certificate cannot be made.
    pub fn generate(now: Timestamp, life: Duration) -> Result<Self, TlsError> {
        let pem = generate(now, life).map_err(TlsError::Mint)?;
        Self::parse(pem).map_err(TlsError::Authority)
    }

    /// Reads what [`Authority::pem`] gave: key and certificate in one text, so that they cannot disagree.
    ///
    /// # Errors
    /// If one is missing, damaged or not for the other.
    pub fn parse(pem: SecretBytes) -> Result<Self, AuthorityError> {
        let key = PrivateKeyDer::from_pem_slice(pem.expose())
            .map_err(|_pem| AuthorityError("no private key in it"))?;
        let key = KeyPair::from_der_and_sign_algo(&key, &PKCS_ECDSA_P256_SHA256)
            .map_err(|_key| AuthorityError("the private key is not ECDSA P-256"))?;
        let certificate_pem = certificate_section(&pem)
            .ok_or(AuthorityError("no certificate in it"))?
            .to_owned();
        let certificate = CertificateDer::from_pem_slice(certificate_pem.as_bytes())
            .map_err(|_pem| AuthorityError("the certificate is not PEM"))?;
        let (_rest, parsed) = x509_parser::parse_x509_certificate(&certificate)
            .map_err(|_syntax| AuthorityError("the certificate is not X.509"))?;
        if parsed.public_key().raw != key.subject_public_key_info() {
            return Err(AuthorityError("the certificate is not for the key"));
        }
        if !parsed.is_ca() {
            return Err(AuthorityError("the certificate is not one of a CA"));
        }
        let not_before = Timestamp::from_secs(parsed.validity().not_before.timestamp());
        let not_after = Timestamp::from_secs(parsed.validity().not_after.timestamp());
        let issuer = Issuer::from_ca_cert_der(&certificate, key)
            .map_err(|_issuer| AuthorityError("the certificate cannot be used to sign"))?;
        Ok(Self {
            issuer,
            pem,
            certificate_pem,
            not_before,
            not_after,
        })
    }

    /// Key and certificate, in PEM.
    #[must_use]
    pub fn pem(&self) -> &SecretBytes {
        &self.pem
    }

    /// What clients must trust.
    #[must_use]
    pub fn certificate_pem(&self) -> &str {
        &self.certificate_pem
    }

    /// When it was made.
    #[must_use]
    pub fn made(&self) -> Timestamp {
        self.not_before + SKEW
    }

    /// When it expires.
    #[must_use]
    pub fn not_after(&self) -> Timestamp {
        self.not_after
    }

    /// A new leaf for a server of these names, with a new key that exists only in this process.
    pub(super) fn mint(&self, names: &[String], now: Timestamp) -> Result<Served, TlsError> {
        let mut leaf = CertificateParams::new(names.to_vec()).map_err(TlsError::Mint)?;
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

/// Refuses a server without a name, or with one that no certificate can hold.
pub(super) fn check_names(names: &[String]) -> Result<(), TlsError> {
    if names.is_empty() || !names.iter().all(|name| is_server_name(name)) {
        return Err(TlsError::Names);
    }
    Ok(())
}

/// Key and certificate of a new CA, in PEM.
fn generate(now: Timestamp, life: Duration) -> Result<SecretBytes, rcgen::Error> {
    let mut ca = CertificateParams::new(Vec::new())?;
    // Unique, so that a client that holds an old and a new CA tells them apart by name.
    let id = uuid::Uuid::new_v4();
    ca.distinguished_name = rcgen::DistinguishedName::new();
    ca.distinguished_name
        .push(DnType::CommonName, format!("ESI certificate authority {id}"));
    ca.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    ca.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    valid(&mut ca, now, now + life);
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
