//! The keys and certificates of a control plane.

use std::fmt;
use std::fs;
use std::path::Path;

use anyhow::Result;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};

/// A CA that signs for servers and users.
pub(super) struct Pki {
    issuer: Issuer<'static, KeyPair>,
    ca: String,
}

/// A certificate and its key, in PEM.
pub struct Identity {
    /// The certificate.
    pub certificate: String,
    /// The key.
    pub key: String,
}

impl fmt::Debug for Pki {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pki").finish_non_exhaustive()
    }
}

impl Pki {
    pub(super) fn make() -> Result<Self> {
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::new(Vec::new())?;
        params.distinguished_name.push(DnType::CommonName, "cluster-ca");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let ca = params.self_signed(&key)?.pem();
        let issuer = Issuer::new(params, key);
        Ok(Self { issuer, ca })
    }

    /// The CA's certificate, in PEM.
    pub(super) fn ca(&self) -> &str {
        &self.ca
    }

    /// Who is named so to the API server.
    pub(super) fn user(&self, name: &str, groups: &[&str]) -> Result<Identity> {
        let mut params = CertificateParams::new(Vec::new())?;
        params.distinguished_name.push(DnType::CommonName, name);
        for &group in groups {
            params.distinguished_name.push(DnType::OrganizationName, group);
        }
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        self.sign(&params)
    }

    /// A server of these names.
    pub(super) fn server(&self, names: &[&str]) -> Result<Identity> {
        let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
        self.sign(&CertificateParams::new(names)?)
    }

    /// Writes what the programs read from files.
    pub(super) fn write(&self, dir: &Path) -> Result<()> {
        fs::write(dir.join("ca.crt"), &self.ca)?;
        let names = ["127.0.0.1", "localhost", "kubernetes", "kubernetes.default.svc"];
        let api = self.server(&names)?;
        fs::write(dir.join("api.crt"), api.certificate)?;
        fs::write(dir.join("api.key"), api.key)?;
        let tokens = KeyPair::generate()?;
        fs::write(dir.join("sa.pub"), tokens.public_key_pem())?;
        fs::write(dir.join("sa.key"), tokens.serialize_pem())?;
        Ok(())
    }

    fn sign(&self, params: &CertificateParams) -> Result<Identity> {
        let key = KeyPair::generate()?;
        Ok(Identity {
            certificate: params.signed_by(&key, &self.issuer)?.pem(),
            key: key.serialize_pem(),
        })
    }
}
